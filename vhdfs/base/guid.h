/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GUIDs, over libuuid.  In memory the 16 bytes are in the order in which the
 * text form shows them; VHD stores them so, VHDX with the first three fields
 * little-endian ([MS-DTYP] 2.3.4.2).
 */
#ifndef VHDFS_BASE_GUID_H
#define VHDFS_BASE_GUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUID_TEXT_SIZE 37 /* 8-4-4-4-12 and the NUL */

struct guid {
	uint8_t b[16];
};

struct guid guid_random(void);
bool guid_equal(const struct guid *a, const struct guid *b);
bool guid_is_null(const struct guid *g);

/* The 16 bytes at p as VHD (be) or VHDX (le) stores them, and back. */
struct guid guid_from_be(const void *p);
struct guid guid_from_le(const void *p);
void guid_to_be(void *p, const struct guid *g);
void guid_to_le(void *p, const struct guid *g);

/* Lower case, without braces. Returns text. */
const char *guid_format(const struct guid *g, char text[GUID_TEXT_SIZE]);

/* With or without braces, any case. 0, or -EINVAL without words. */
int guid_parse(const char *text, size_t len, struct guid *ret);

#endif
