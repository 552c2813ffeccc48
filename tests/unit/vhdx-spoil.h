/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of structures in a VHDX file, with valid checksums, for tests of
 * malformed and unusual files. */
#ifndef VHDFS_TESTS_VHDX_SPOIL_H
#define VHDFS_TESTS_VHDX_SPOIL_H

#include "unit/vhdx-tool.h"

/* Change a field of both headers. */
void spoil_sum_headers(struct vdisk *d);
void spoil_header64(struct vdisk *d, unsigned field, uint64_t value);
void spoil_header32(struct vdisk *d, unsigned field, uint32_t value);
void spoil_header16(struct vdisk *d, unsigned field, uint16_t value);

/* Change bytes at an offset of both region tables. */
void spoil_sum_regions(struct vdisk *d);
void spoil_region_bytes(struct vdisk *d, unsigned off, const void *bytes,
			size_t len);
void spoil_region32(struct vdisk *d, unsigned off, uint32_t value);
void spoil_region64(struct vdisk *d, unsigned off, uint64_t value);
/* The offset in the table of a field of entry i: 0 is the BAT, 1 the metadata.
 */
unsigned spoil_region_field(unsigned i, unsigned field);
/* Adds a region with an unknown guid. */
void spoil_add_region(struct vdisk *d, uint64_t off, uint32_t len,
		      uint32_t flags);

enum { ITEM_PARAMETERS, ITEM_SIZE, ITEM_LSS, ITEM_PSS, ITEM_ID, ITEM_LOCATOR };

/* The offset in the file of a field of a metadata entry, and of the item. */
uint64_t spoil_meta_field(unsigned i, unsigned field);
uint64_t spoil_item_off(const struct vdisk *d, unsigned i);
/* Adds an item; it is number 5 if there is no parent. */
void spoil_add_item(struct vdisk *d, const char *text, uint32_t off,
		    uint32_t len, uint32_t flags);

/* The guid of an unknown item. */
#define UNKNOWN_ITEM "01020304-0506-0708-090a-0b0c0d0e0f10"

/* Defines the function name, which runs the statements on d. */
#define SPOIL(name, ...)                  \
	static void name(struct vdisk *d) \
	{                                 \
		__VA_ARGS__;              \
	}

#endif
