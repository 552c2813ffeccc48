/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The region table ([MS-VHDX] 2.2.3), stored twice: the places of the BAT, of
 * the metadata, and of regions of other programs, which are left unchanged
 * unless they are required.
 */
#include "config.h"

#include "format/vhdx-internal.h"

#include "base/crc32c.h"

int vhdx_region_read(struct vhdx *v, int slot, uint8_t *buf)
{
	int r = vhdx_read_tables(v, buf, VHDX_REGION_SIZE,
				 VHDX_REGION_TABLE_OFFSET(slot));

	if (r < 0)
		return r;
	return memcmp(buf, VHDX_REGION_SIGNATURE, 4) == 0 &&
	       crc32c_but(buf, VHDX_REGION_SIZE, VHDX_REGION_CRC) ==
		       get_le32(buf + VHDX_REGION_CRC);
}

/* The offset in the file of entry i of the copy in slot. */
static uint64_t entry_off(int slot, size_t i)
{
	return VHDX_REGION_TABLE_OFFSET(slot) + VHDX_REGION_FIRST +
	       i * VHDX_REGION_ENTRY;
}

static int fail_region(struct vhdx *v, uint64_t at, const char *expected,
		       const struct vhdx_region *region)
{
	return fail_found(-EBADMSG, v->img.io->name, "region table", at,
			  expected, "%" PRIu64 " bytes at %" PRIu64,
			  region->len, region->off);
}

static int validate_place(struct vhdx *v, const struct vhdx_region *region,
			  uint64_t at)
{
	if (!region->len || !is_aligned(region->off | region->len, MIB(1)) ||
	    region->off < VHDX_AREA)
		return fail_region(v, at,
				   "a region of whole MiB at 1 MiB or above",
				   region);
	if (!range_within(region->off, region->len, INT64_MAX))
		return fail_region(v, at,
				   "a region below the largest file offset",
				   region);
	if (!extent_set_is_free(&v->structures, region->off, region->len))
		return fail_region(
			v, at,
			"a region that overlaps neither the log nor a region",
			region);
	return extent_set_insert(&v->structures, region->off, region->len);
}

/* Keeps the two regions that this driver uses. */
static int store_region(struct vhdx *v, const struct vhdx_region *region,
			uint64_t at)
{
	struct guid bat = vhdx_guid(VHDX_GUID_BAT);
	struct guid metadata = vhdx_guid(VHDX_GUID_METADATA);
	char text[GUID_TEXT_SIZE];

	if (guid_equal(&region->guid, &bat))
		v->bat = *region;
	else if (guid_equal(&region->guid, &metadata))
		v->metadata = *region;
	else if (region->required)
		return fail_found(-EOPNOTSUPP, v->img.io->name, "region table",
				  at, "required regions that vhdfs knows",
				  "region %s",
				  guid_format(&region->guid, text));
	else
		return 0;
	if (!range_within(region->off, region->len, v->file_size))
		return fail_region(
			v, at,
			format_arg("a region inside the file of %" PRIu64,
				   v->file_size),
			region);
	return 0;
}

/* Entry n has a guid that none of the entries before it has. */
static int validate_guid(struct vhdx *v, const uint8_t *table, size_t n,
			 uint64_t at)
{
	const uint8_t *first = table + VHDX_REGION_FIRST;
	char text[GUID_TEXT_SIZE];
	struct guid guid;

	for (size_t i = 0; i < n; i++) {
		if (memcmp(first + i * VHDX_REGION_ENTRY,
			   first + n * VHDX_REGION_ENTRY, 16) != 0)
			continue;
		guid = guid_from_le(first + n * VHDX_REGION_ENTRY);
		return fail_found(-EBADMSG, v->img.io->name, "region table", at,
				  "each region once", "%s twice",
				  guid_format(&guid, text));
	}
	return 0;
}

static int parse_entry(struct vhdx *v, const uint8_t *table, size_t i, int slot)
{
	const uint8_t *e = table + VHDX_REGION_FIRST + i * VHDX_REGION_ENTRY;
	struct vhdx_region region = {
		.guid = guid_from_le(e),
		.off = get_le64(e + VHDX_REGION_ENTRY_OFFSET),
		.len = get_le32(e + VHDX_REGION_ENTRY_LENGTH),
		.required = get_le32(e + VHDX_REGION_ENTRY_FLAGS) &
			    VHDX_REGION_REQUIRED,
	};
	int r = validate_guid(v, table, i, entry_off(slot, i));

	if (r == 0)
		r = store_region(v, &region, entry_off(slot, i));
	if (r == 0)
		r = validate_place(v, &region, entry_off(slot, i));
	return r;
}

static int parse_table(struct vhdx *v, const uint8_t *table, int slot)
{
	uint32_t count = get_le32(table + VHDX_REGION_COUNT);
	uint64_t at = VHDX_REGION_TABLE_OFFSET(slot);
	int r;

	if (count > VHDX_REGION_MAX)
		return fail_found(-EBADMSG, v->img.io->name,
				  "region table: entry count",
				  at + VHDX_REGION_COUNT, "at most 2047",
				  "%" PRIu32, count);
	for (uint32_t i = 0; i < count; i++) {
		r = parse_entry(v, table, i, slot);
		if (r < 0)
			return r;
	}
	if (!v->bat.len || !v->metadata.len)
		return fail_found(-EBADMSG, v->img.io->name, "region table", at,
				  "a BAT and a metadata region", "no %s region",
				  v->bat.len ? "metadata" : "BAT");
	return 0;
}

int vhdx_regions_load(struct vhdx *v)
{
	_cleanup_free_ uint8_t *table = malloc(VHDX_REGION_SIZE);
	int r = extent_set_add(&v->structures, 0, VHDX_AREA);

	if (!table)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	if (r == 0)
		r = extent_set_add(&v->structures, v->header.log_off,
				   v->header.log_len);
	if (r < 0)
		return r;
	extent_set_sort(&v->structures);
	for (int slot = 0; slot < 2; slot++) {
		r = vhdx_region_read(v, slot, table);
		if (r != 0)
			return r < 0 ? r : parse_table(v, table, slot);
	}
	return fail_found(-EBADMSG, v->img.io->name, "region tables",
			  VHDX_REGION_TABLE_OFFSET(0),
			  "a signature and a valid checksum",
			  "neither in both copies");
}
