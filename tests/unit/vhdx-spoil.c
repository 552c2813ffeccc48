/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes of structures in a VHDX file: see vhdx-spoil.h. */
#include "config.h"

#include "unit/vhdx-spoil.h"

#include <string.h>

void spoil_sum_headers(struct vdisk *d)
{
	for (int slot = 0; slot < 2; slot++)
		vdisk_sum(d, VHDX_HEADER_OFFSET(slot), VHDX_HEADER_SIZE);
}

void spoil_header64(struct vdisk *d, unsigned field, uint64_t value)
{
	for (int slot = 0; slot < 2; slot++)
		vdisk_put64(d, VHDX_HEADER_OFFSET(slot) + field, value);
	spoil_sum_headers(d);
}

void spoil_header32(struct vdisk *d, unsigned field, uint32_t value)
{
	for (int slot = 0; slot < 2; slot++)
		vdisk_put32(d, VHDX_HEADER_OFFSET(slot) + field, value);
	spoil_sum_headers(d);
}

void spoil_header16(struct vdisk *d, unsigned field, uint16_t value)
{
	for (int slot = 0; slot < 2; slot++)
		vdisk_put16(d, VHDX_HEADER_OFFSET(slot) + field, value);
	spoil_sum_headers(d);
}

void spoil_sum_regions(struct vdisk *d)
{
	for (int slot = 0; slot < 2; slot++)
		vdisk_sum(d, VHDX_REGION_TABLE_OFFSET(slot), VHDX_REGION_SIZE);
}

void spoil_region_bytes(struct vdisk *d, unsigned off, const void *bytes,
			size_t len)
{
	for (int slot = 0; slot < 2; slot++)
		mem_file_poke(&d->file, bytes, len,
			      VHDX_REGION_TABLE_OFFSET(slot) + off);
	spoil_sum_regions(d);
}

void spoil_region32(struct vdisk *d, unsigned off, uint32_t value)
{
	uint8_t raw[4];

	put_le32(raw, value);
	spoil_region_bytes(d, off, raw, sizeof raw);
}

void spoil_region64(struct vdisk *d, unsigned off, uint64_t value)
{
	uint8_t raw[8];

	put_le64(raw, value);
	spoil_region_bytes(d, off, raw, sizeof raw);
}

unsigned spoil_region_field(unsigned i, unsigned field)
{
	return VHDX_REGION_FIRST + i * VHDX_REGION_ENTRY + field;
}

void spoil_add_region(struct vdisk *d, uint64_t off, uint32_t len,
		      uint32_t flags)
{
	static const uint8_t guid[16] = { 7, 7, 7 };

	spoil_region32(d, VHDX_REGION_COUNT, 3);
	spoil_region_bytes(d, spoil_region_field(2, 0), guid, sizeof guid);
	spoil_region64(d, spoil_region_field(2, VHDX_REGION_ENTRY_OFFSET), off);
	spoil_region32(d, spoil_region_field(2, VHDX_REGION_ENTRY_LENGTH), len);
	spoil_region32(d, spoil_region_field(2, VHDX_REGION_ENTRY_FLAGS),
		       flags);
}

uint64_t spoil_meta_field(unsigned i, unsigned field)
{
	return META_OFF + VHDX_META_FIRST + i * VHDX_META_ENTRY + field;
}

uint64_t spoil_item_off(const struct vdisk *d, unsigned i)
{
	return META_OFF +
	       (uint32_t)vdisk_get64(
		       d, spoil_meta_field(i, VHDX_META_ENTRY_OFFSET));
}

void spoil_add_item(struct vdisk *d, const char *text, uint32_t off,
		    uint32_t len, uint32_t flags)
{
	struct guid guid = { { 0 } };
	uint8_t raw[16];

	guid_parse(text, strlen(text), &guid);
	guid_to_le(raw, &guid);
	vdisk_put16(d, META_OFF + VHDX_META_COUNT, 6);
	mem_file_poke(&d->file, raw, sizeof raw, spoil_meta_field(5, 0));
	vdisk_put32(d, spoil_meta_field(5, VHDX_META_ENTRY_OFFSET), off);
	vdisk_put32(d, spoil_meta_field(5, VHDX_META_ENTRY_LENGTH), len);
	vdisk_put32(d, spoil_meta_field(5, VHDX_META_ENTRY_FLAGS), flags);
}
