/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON output of the programs: strings from file names, and printing. */
#ifndef VHDFS_BASE_JSON_H
#define VHDFS_BASE_JSON_H

#include <jansson.h>

/*
 * A string; null where text is null or memory ran out.  Text that is not valid
 * UTF-8 is escaped as printable.h says, because JSON has no other text.
 */
json_t *json_text(const char *text);

/*
 * Prints json to standard output, whole or not at all, and a newline: 0, or
 * -ENOMEM with words, also where json is null.
 */
int json_print(const json_t *json);

#endif
