/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block allocation table: read, check, scan and change its entries. */
#include "config.h"

#include "format/vhd-internal.h"

static int load_bat_page(void *ctx, void *data, uint64_t off)
{
	struct vhd *v = ctx;
	uint64_t len = (uint64_t)v->n_entries * BAT_ENTRY;

	/* Bytes after the table's end are not entries. */
	memset(data, 0xff, VHD_SECTOR);
	return io_read(v->img.io, data, min_u64(VHD_SECTOR, len - off),
		       v->bat_off + off);
}

int vhd_bat_init(struct vhd *v)
{
	return table_cache_init(&v->bat, v->img.io, v->bat_off, VHD_SECTOR,
				div_up(v->n_entries, BAT_PAGE_ENTRIES),
				load_bat_page, v);
}

bool vhd_has_trailing(const struct vhd *v)
{
	return v->footer_off < v->file_size;
}

const struct range *vhd_structure_in(const struct vhd *v, uint64_t off,
				     uint64_t len)
{
	for (unsigned i = 0; i < v->n_structures; i++) {
		const struct range *s = &v->structures[i];

		if (ranges_overlap(off, len, s->off, s->end - s->off))
			return s;
	}
	return NULL;
}

int vhd_fail_truncated(const struct vhd *v, uint32_t block, uint64_t off)
{
	int r = fail_found(-EBADMSG, v->img.io->name, "block allocation table",
			   vhd_entry_off(v, block),
			   format_arg("a block inside the file of %" PRIu64
				      " bytes",
				      v->file_size),
			   "%" PRIu64 " bytes at offset %" PRIu64
			   ": the file was truncated",
			   v->block_len, off);

	error_advise("copy it again from its source");
	return r;
}

/* The number of bytes of a block, with its bitmap, that must lie in the file.
 * Some programs end the file, before the footer, where the disk ends in the
 * last block. */
static uint64_t needed_len(const struct vhd *v, uint32_t block)
{
	uint64_t start = block * v->img.block_size;

	if (!vhd_has_trailing(v))
		return v->block_len;
	if (block >= v->n_blocks)
		return v->bitmap_size;
	return v->bitmap_size + min_u64(v->img.block_size, v->img.size - start);
}

int vhd_entry_check(const struct vhd *v, uint32_t block, uint32_t entry)
{
	uint64_t off = (uint64_t)entry * VHD_SECTOR;
	uint64_t len = needed_len(v, block);
	uint64_t at = vhd_entry_off(v, block);
	const struct range *s;

	if (!vhd_has_trailing(v) && !range_within(off, len, v->file_size))
		return vhd_fail_truncated(v, block, off);
	if (!range_within(off, len, v->footer_off))
		return fail_found(
			-EBADMSG, v->img.io->name, "block allocation table", at,
			format_arg("a block that ends before the footer "
				   "at offset %" PRIu64,
				   v->footer_off),
			"one at offset %" PRIu64, off);
	s = vhd_structure_in(v, off, len);
	if (s)
		return fail_found(
			-EBADMSG, v->img.io->name, "block allocation table", at,
			format_arg(
				"a block outside the structure at offset %" PRIu64,
				s->off),
			"one at offset %" PRIu64, off);
	return 0;
}

/* The page with the block's entry. */
static int entry_page(struct vhd *v, uint32_t block, struct table_page **ret)
{
	return table_cache_get(
		&v->bat, (uint64_t)block / BAT_PAGE_ENTRIES * VHD_SECTOR, ret);
}

static uint8_t *entry_in(const struct table_page *page, uint32_t block)
{
	return page->data + block % BAT_PAGE_ENTRIES * BAT_ENTRY;
}

int vhd_bat_get(struct vhd *v, uint32_t block, uint64_t *ret_off)
{
	struct table_page *page;
	uint32_t entry;
	int r = entry_page(v, block, &page);

	if (r < 0)
		return r;
	*ret_off = 0;
	entry = get_be32(entry_in(page, block));
	if (entry == BAT_UNUSED)
		return 0;
	*ret_off = (uint64_t)entry * VHD_SECTOR;
	return vhd_entry_check(v, block, entry);
}

int vhd_bat_set(struct vhd *v, uint32_t block, uint32_t entry)
{
	struct table_page *page;
	int r = entry_page(v, block, &page);

	if (r == 0)
		r = table_cache_mark_dirty(&v->bat, page);
	if (r < 0)
		return r;
	put_be32(entry_in(page, block), entry);
	return 0;
}

int vhd_bat_scan(struct vhd *v,
		 int (*each)(void *ctx, uint32_t block, uint32_t entry),
		 void *ctx)
{
	enum { CHUNK = 16 * 1024 };
	_cleanup_free_ uint8_t *table = malloc(CHUNK * BAT_ENTRY);
	uint32_t n;
	int r = 0;

	if (!table)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	for (uint32_t i = 0; i < v->n_entries && r == 0; i += n) {
		n = min_u64(CHUNK, v->n_entries - i);
		r = io_read(v->img.io, table, (size_t)n * BAT_ENTRY,
			    vhd_entry_off(v, i));
		for (uint32_t k = 0; k < n && r == 0; k++) {
			uint32_t entry = get_be32(table + k * BAT_ENTRY);

			if (entry != BAT_UNUSED)
				r = each(ctx, i + k, entry);
		}
	}
	return r;
}
