/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON output: strings of arbitrary bytes (file names), and printing. */
#ifndef VHDFS_BASE_JSON_H
#define VHDFS_BASE_JSON_H

#include <jansson.h>

/*
 * Returns a JSON string; null if text is null or memory is out.  JSON allows
 * only valid UTF-8: other bytes are escaped as printable.h defines.
 */
json_t *json_text(const char *text);

/*
 * Prints json and a newline to standard output.  Returns 0, or -ENOMEM without
 * having printed anything, also if json is null (a value that the caller could
 * not build).
 */
int json_print(const json_t *json);

#endif
