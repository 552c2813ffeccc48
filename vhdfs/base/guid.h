/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GUIDs: random generation, text form, and the byte orders of VHD and VHDX.
 *
 * In memory the 16 bytes have the order of the text form.  VHD stores them in
 * that order (big-endian).  VHDX stores the first three fields little-endian
 * ([MS-DTYP] 2.3.4.2).
 */
#ifndef VHDFS_BASE_GUID_H
#define VHDFS_BASE_GUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUID_TEXT_SIZE 37 /* 8-4-4-4-12 digits and hyphens, and the NUL */

struct guid {
	uint8_t b[16];
};

struct guid guid_random(void); /* version 4 */
bool guid_equal(const struct guid *a, const struct guid *b);
bool guid_is_null(const struct guid *g);

/* Load and store the 16 bytes at p: be is VHD's order, le is VHDX's. */
struct guid guid_from_be(const void *p);
struct guid guid_from_le(const void *p);
void guid_to_be(void *p, const struct guid *g);
void guid_to_le(void *p, const struct guid *g);

/* Formats in lower case, without braces.  Returns text. */
const char *guid_format(const struct guid *g, char text[GUID_TEXT_SIZE]);

/* Parses len bytes of text in any case, with or without braces.  Returns 0, or
 * -EINVAL without a message. */
int guid_parse(const char *text, size_t len, struct guid *ret);

#endif
