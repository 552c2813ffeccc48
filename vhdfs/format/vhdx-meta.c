/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata region ([MS-VHDX] 2.6): a table of items; the items hold the
 * disk's size, sector sizes, block size, identifier and parent.  Unknown items
 * are left unchanged unless they are required.
 */
#include "config.h"

#include "format/vhdx-internal.h"

/* The items that this driver knows, and their required properties. */
static const struct known_item {
	const char *guid, *name;
	uint32_t len;   /* 0: any */
	bool of_disk;   /* IsVirtualDisk must be set */
	bool mandatory; /* in every file */
} known_items[] = {
	{ VHDX_GUID_FILE_PARAMETERS, "file parameters", VHDX_PARAMETERS_SIZE,
	  false, true },
	{ VHDX_GUID_DISK_SIZE, "virtual disk size", 8, true, true },
	{ VHDX_GUID_DISK_ID, "virtual disk id", 16, true, true },
	{ VHDX_GUID_LOGICAL_SECTOR, "logical sector size", 4, true, true },
	{ VHDX_GUID_PHYSICAL_SECTOR, "physical sector size", 4, true, true },
	{ VHDX_GUID_PARENT_LOCATOR, "parent locator", 0, false, false },
};

enum { KNOWN_ITEMS = sizeof known_items / sizeof known_items[0] };

static const struct known_item *known_item_of(const struct guid *guid)
{
	for (size_t i = 0; i < KNOWN_ITEMS; i++) {
		struct guid known = vhdx_guid(known_items[i].guid);

		if (guid_equal(guid, &known))
			return &known_items[i];
	}
	return NULL;
}

static uint64_t entry_off(const struct vhdx *v, size_t i)
{
	return v->metadata.off + VHDX_META_FIRST + i * VHDX_META_ENTRY;
}

static int fail_entry(struct vhdx *v, size_t i, int code, const char *expected,
		      const char *found)
{
	char text[GUID_TEXT_SIZE];

	return fail_found(code, v->img.io->name,
			  format_arg("metadata item %s",
				     guid_format(&v->items[i].guid, text)),
			  entry_off(v, i), expected, "%s", found);
}

static int validate_place(struct vhdx *v, size_t i)
{
	const struct vhdx_meta *item = &v->items[i];
	const char *found = format_arg("%" PRIu32 " bytes at %" PRIu32,
				       item->len, item->off);

	if (item->len > VHDX_META_ITEM_MAX)
		return fail_entry(v, i, -EBADMSG, "at most 1 MiB", found);
	if (!item->len)
		return item->off
			       ? fail_entry(v, i, -EBADMSG,
					    "offset 0 for an empty item", found)
			       : 0;
	if (item->off < VHDX_META_TABLE_SIZE ||
	    !range_within(item->off, item->len, v->metadata.len))
		return fail_entry(
			v, i, -EBADMSG,
			format_arg(
				"a range behind the table, inside the region of %" PRIu64
				" bytes",
				v->metadata.len),
			found);
	return 0;
}

static int validate_known(struct vhdx *v, size_t i,
			  const struct known_item *known)
{
	const struct vhdx_meta *item = &v->items[i];

	if (known->len && item->len != known->len)
		return fail_entry(v, i, -EBADMSG,
				  format_arg("%" PRIu32 " bytes of %s",
					     known->len, known->name),
				  format_arg("%" PRIu32, item->len));
	if (known->of_disk && !(item->flags & VHDX_META_IS_DISK))
		return fail_entry(v, i, -EBADMSG,
				  format_arg("%s with the IsVirtualDisk flag",
					     known->name),
				  format_arg("flags %" PRIu32, item->flags));
	return 0;
}

static int validate_kind(struct vhdx *v, size_t i)
{
	const struct vhdx_meta *item = &v->items[i];
	struct guid incomplete = vhdx_guid(VHDX_GUID_INCOMPLETE);
	const struct known_item *known = known_item_of(&item->guid);

	if (item->flags & VHDX_META_IS_USER)
		return item->flags & VHDX_META_IS_REQUIRED
			       ? fail_entry(
					 v, i, -EBADMSG,
					 "a user item without the IsRequired flag",
					 "one with it")
			       : 0;
	if (guid_equal(&item->guid, &incomplete))
		return fail_entry(v, i, -EOPNOTSUPP, "a complete file",
				  "the mark of an incomplete conversion");
	if (known)
		return validate_known(v, i, known);
	if (item->flags & VHDX_META_IS_REQUIRED)
		return fail_entry(v, i, -EOPNOTSUPP,
				  "required items that vhdfs knows",
				  "an unknown one");
	return 0;
}

static int validate_entry(struct vhdx *v, const uint8_t *e, size_t i)
{
	const struct vhdx_meta *item = &v->items[i];
	int r;

	if (guid_is_null(&item->guid))
		return fail_entry(v, i, -EBADMSG, "a guid", "the null guid");
	if (item->flags & ~7u || get_le32(e + VHDX_META_ENTRY_RESERVED))
		return fail_entry(v, i, -EBADMSG, "reserved bits of 0",
				  format_arg("flags %" PRIu32, item->flags));
	for (size_t j = 0; j < i; j++)
		if (guid_equal(&item->guid, &v->items[j].guid) &&
		    !((item->flags ^ v->items[j].flags) & VHDX_META_IS_USER))
			return fail_entry(v, i, -EBADMSG, "each item once",
					  "a second one with this guid");
	r = validate_place(v, i);
	return r < 0 ? r : validate_kind(v, i);
}

static int validate_header(struct vhdx *v, const uint8_t *table)
{
	uint16_t count = get_le16(table + VHDX_META_COUNT);
	uint64_t at = v->metadata.off;

	if (memcmp(table, VHDX_META_SIGNATURE, VHDX_SIGNATURE_SIZE) != 0)
		return fail_found(-EBADMSG, v->img.io->name, "metadata table",
				  at, "the signature \"metadata\"",
				  "other bytes");
	if (count > VHDX_META_MAX)
		return fail_found(-EBADMSG, v->img.io->name,
				  "metadata table: entry count",
				  at + VHDX_META_COUNT, "at most 2047",
				  "%" PRIu16, count);
	if (get_le16(table + VHDX_META_RESERVED) ||
	    !bytes_are_zero(table + VHDX_META_RESERVED2,
			    VHDX_META_FIRST - VHDX_META_RESERVED2))
		return fail_found(-EBADMSG, v->img.io->name,
				  "metadata table: reserved bytes", at, "zeros",
				  "other bytes");
	return 0;
}

static int validate_overlaps(struct vhdx *v)
{
	struct extent_set space = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < v->n_items; i++)
		r = extent_set_add(&space, v->items[i].off, v->items[i].len);
	extent_set_sort(&space);
	if (r == 0 && space.overlaps)
		r = fail_found(-EBADMSG, v->img.io->name, "metadata items",
			       v->metadata.off + space.overlap_off,
			       "no overlap", "two that overlap");
	extent_set_fini(&space);
	return r;
}

static int load_table(struct vhdx *v)
{
	_cleanup_free_ uint8_t *table = malloc(VHDX_META_TABLE_SIZE);
	int r;

	v->items = calloc(VHDX_META_MAX, sizeof *v->items);
	if (!table || !v->items)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	r = vhdx_read_tables(v, table, VHDX_META_TABLE_SIZE, v->metadata.off);
	if (r == 0)
		r = validate_header(v, table);
	if (r < 0)
		return r;
	v->n_items = get_le16(table + VHDX_META_COUNT);
	for (size_t i = 0; i < v->n_items; i++) {
		const uint8_t *e =
			table + VHDX_META_FIRST + i * VHDX_META_ENTRY;

		v->items[i] = (struct vhdx_meta){
			.guid = guid_from_le(e),
			.off = get_le32(e + VHDX_META_ENTRY_OFFSET),
			.len = get_le32(e + VHDX_META_ENTRY_LENGTH),
			.flags = get_le32(e + VHDX_META_ENTRY_FLAGS),
		};
		r = validate_entry(v, e, i);
		if (r < 0)
			return r;
	}
	return validate_overlaps(v);
}

const struct vhdx_meta *vhdx_meta_find(const struct vhdx *v, const char *text)
{
	struct guid guid = vhdx_guid(text);

	for (size_t i = 0; i < v->n_items; i++)
		if (guid_equal(&v->items[i].guid, &guid) &&
		    !(v->items[i].flags & VHDX_META_IS_USER))
			return &v->items[i];
	return NULL;
}

int vhdx_meta_read(struct vhdx *v, const struct vhdx_meta *item, void *buf)
{
	return vhdx_read_tables(v, buf, item->len, v->metadata.off + item->off);
}

/* An item of 4 or 8 bytes, little-endian; the item exists. */
static int read_number(struct vhdx *v, const char *guid, uint64_t *ret)
{
	const struct vhdx_meta *item = vhdx_meta_find(v, guid);
	uint8_t raw[8] = { 0 };
	int r = vhdx_meta_read(v, item, raw);

	if (r == 0)
		*ret = get_le64(raw);
	return r;
}

static int fail_value(struct vhdx *v, const char *guid, const char *name,
		      const char *expected, uint64_t found)
{
	return fail_found(-EBADMSG, v->img.io->name, name,
			  v->metadata.off + vhdx_meta_find(v, guid)->off,
			  expected, "%" PRIu64, found);
}

static int load_sector_size(struct vhdx *v, const char *guid, const char *name,
			    uint32_t *ret)
{
	uint64_t size = 0;
	int r = read_number(v, guid, &size);

	if (r == 0 && size != 512 && size != 4096)
		return fail_value(v, guid, name, "512 or 4096", size);
	*ret = size;
	return r;
}

static int load_size(struct vhdx *v)
{
	uint64_t size = 0;
	int r = read_number(v, VHDX_GUID_DISK_SIZE, &size);

	v->img.size = size;
	if (r == 0 && (!size || size > VHDX_DISK_MAX ||
		       !is_aligned(size, v->img.sector_size)))
		return fail_value(v, VHDX_GUID_DISK_SIZE, "virtual disk size",
				  "whole sectors, at most 64 TiB", size);
	return r;
}

static int load_parameters(struct vhdx *v)
{
	uint64_t both = 0, block_size, flags;
	int r = read_number(v, VHDX_GUID_FILE_PARAMETERS, &both);

	if (r < 0)
		return r;
	block_size = both & UINT32_MAX;
	flags = both >> 32;
	if (!is_pow2(block_size) || block_size < VHDX_BLOCK_MIN ||
	    block_size > VHDX_BLOCK_MAX)
		return fail_value(v, VHDX_GUID_FILE_PARAMETERS, "block size",
				  "a power of two, 1 MiB to 256 MiB",
				  block_size);
	if (flags & ~(uint64_t)(VHDX_LEAVE_ALLOCATED | VHDX_HAS_PARENT))
		return fail_value(v, VHDX_GUID_FILE_PARAMETERS,
				  "file parameters", "reserved bits of 0",
				  flags);
	v->img.block_size = block_size;
	v->leave_allocated = flags & VHDX_LEAVE_ALLOCATED;
	v->img.type = flags & VHDX_HAS_PARENT        ? IMAGE_DIFFERENCING
		      : flags & VHDX_LEAVE_ALLOCATED ? IMAGE_FIXED
						     : IMAGE_DYNAMIC;
	return 0;
}

int vhdx_parent(struct image *img, struct parent_ref *ret)
{
	struct vhdx *v = vhdx_of(img);
	const struct vhdx_meta *item =
		vhdx_meta_find(v, VHDX_GUID_PARENT_LOCATOR);
	_cleanup_free_ uint8_t *buf = NULL;
	int r;

	if (!item)
		return fail_found(-EBADMSG, v->img.io->name, "metadata table",
				  v->metadata.off,
				  "a parent locator, as HasParent is set",
				  "none");
	buf = malloc(item->len + 1);
	if (!buf)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	r = vhdx_meta_read(v, item, buf);
	if (r < 0)
		return r;
	return vhdx_locator_parse(v->img.io, buf, item->len,
				  v->metadata.off + item->off, ret);
}

static int check_parent(struct vhdx *v)
{
	struct parent_ref ref;
	int r = vhdx_parent(&v->img, &ref);

	if (r == 0)
		parent_ref_fini(&ref);
	return r;
}

/* The layout of the BAT follows from the sizes (2.5). */
static int load_geometry(struct vhdx *v)
{
	uint64_t chunks;

	v->chunk_ratio =
		VHDX_CHUNK_SECTORS * v->img.sector_size / v->img.block_size;
	v->n_blocks = div_up(v->img.size, v->img.block_size);
	chunks = div_up(v->n_blocks, v->chunk_ratio);
	v->n_entries = v->img.type == IMAGE_DIFFERENCING
			       ? chunks * (v->chunk_ratio + 1)
			       : v->n_blocks + chunks - 1;
	if (v->n_entries * VHDX_BAT_ENTRY > v->bat.len)
		return fail_found(-EBADMSG, v->img.io->name, "BAT region",
				  v->bat.off,
				  format_arg("room for %" PRIu64 " entries",
					     v->n_entries),
				  "%" PRIu64 " bytes", v->bat.len);
	return 0;
}

int vhdx_metadata_load(struct vhdx *v)
{
	int r = load_table(v);

	for (size_t i = 0; r == 0 && i < KNOWN_ITEMS; i++)
		if (known_items[i].mandatory &&
		    !vhdx_meta_find(v, known_items[i].guid))
			return fail_found(
				-EBADMSG, v->img.io->name, "metadata table",
				v->metadata.off,
				format_arg("the item %s", known_items[i].name),
				"none");
	if (r == 0)
		r = load_sector_size(v, VHDX_GUID_LOGICAL_SECTOR,
				     "logical sector size",
				     &v->img.sector_size);
	if (r == 0)
		r = load_sector_size(v, VHDX_GUID_PHYSICAL_SECTOR,
				     "physical sector size",
				     &v->img.physical_sector_size);
	if (r == 0)
		r = load_size(v);
	if (r == 0)
		r = load_parameters(v);
	if (r == 0)
		r = load_geometry(v);
	if (r == 0 && v->img.type == IMAGE_DIFFERENCING)
		r = check_parent(v);
	return r;
}
