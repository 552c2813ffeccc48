/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The block allocation table ([MS-VHDX] 2.5) and the sector bitmaps (2.4): the
 * place of each block, and the sectors that a child stores of a block.
 *
 * Entries are validated each time they are read.
 */
#include "config.h"

#include "format/vhdx-internal.h"

/* Bytes of the BAT that a scan reads at once. */
enum { SCAN_PIECE = 256 * 1024 };

static uint64_t entry_off(const struct vhdx *v, uint64_t index)
{
	return v->bat.off + index * VHDX_BAT_ENTRY;
}

static int fail_entry(struct vhdx *v, uint64_t index, const char *expected,
		      const char *found)
{
	return fail_found(-EBADMSG, v->img.io->name,
			  format_arg("BAT entry %" PRIu64, index),
			  entry_off(v, index), expected, "%s", found);
}

uint64_t vhdx_bat_space(const struct vhdx *v, uint64_t index, uint64_t entry)
{
	bool bitmap = vhdx_is_bitmap_index(v, index);

	switch (VHDX_BAT_STATE(entry)) {
	case VHDX_UNDEFINED:
	case VHDX_UNMAPPED:
	case VHDX_UNMAPPED_DRAFT:
		/* The entry may keep the offset of space that the block
		 * had: a soft anchor (2.5.1.1). */
		return VHDX_BAT_OFFSET(entry) ? v->img.block_size : 0;
	case VHDX_PRESENT:
	case VHDX_PARTIAL:
		return bitmap ? VHDX_BITMAP_SIZE : v->img.block_size;
	default:
		return 0;
	}
}

static bool is_valid_state(const struct vhdx *v, uint64_t index, unsigned state)
{
	if (vhdx_is_bitmap_index(v, index))
		return state == VHDX_NOT_PRESENT || state == VHDX_PRESENT ||
		       state == VHDX_PARTIAL;
	return state != 4 &&
	       (state != VHDX_PARTIAL || v->img.type == IMAGE_DIFFERENCING);
}

static int validate_place(struct vhdx *v, uint64_t index, uint64_t off,
			  uint64_t len)
{
	if (off < VHDX_AREA)
		return fail_entry(v, index, "a block at 1 MiB or above",
				  format_arg("a block at %" PRIu64, off));
	/* Stored blocks were tested by vhdx_is_in_file: this is a soft anchor.
	 */
	if (off >= v->file_size)
		return fail_entry(
			v, index,
			format_arg("a block inside the file of %" PRIu64
				   " bytes",
				   v->file_size),
			format_arg("a block at %" PRIu64, off));
	if (!extent_set_is_free(&v->structures, off, len))
		return fail_entry(
			v, index,
			"a block that overlaps neither the log nor a table",
			format_arg("a block at %" PRIu64, off));
	return 0;
}

int vhdx_bat_validate(struct vhdx *v, uint64_t index, uint64_t entry)
{
	unsigned state = VHDX_BAT_STATE(entry);
	uint64_t len = vhdx_bat_space(v, index, entry);

	if (!is_valid_state(v, index, state))
		return fail_entry(v, index,
				  "a valid state (0-3, 5, 6; 7 in a child)",
				  format_arg("state %u", state));
	if (VHDX_BAT_RESERVED(entry))
		return fail_entry(v, index, "reserved bits of 0",
				  format_arg("0x%" PRIx64, entry));
	if (!vhdx_is_in_file(v, index, entry))
		return vhdx_fail_truncated(v, index, entry);
	return len ? validate_place(v, index, VHDX_BAT_OFFSET(entry), len) : 0;
}

/* The page that holds the entry. */
static int entry_page(struct vhdx *v, uint64_t index, struct table_page **ret)
{
	return table_cache_get(&v->tables,
			       round_down(entry_off(v, index), VHDX_PAGE), ret);
}

static uint8_t *entry_in(const struct vhdx *v, struct table_page *page,
			 uint64_t index)
{
	return page->data + (entry_off(v, index) - page->file_off);
}

int vhdx_bat_get(struct vhdx *v, uint64_t index, uint64_t *ret_entry)
{
	struct table_page *page;
	uint64_t entry;
	int r = entry_page(v, index, &page);

	if (r < 0)
		return r;
	entry = get_le64(entry_in(v, page, index));
	if (entry) {
		r = vhdx_bat_validate(v, index, entry);
		if (r < 0)
			return r;
	}
	*ret_entry = entry;
	return 0;
}

int vhdx_bat_set(struct vhdx *v, uint64_t index, uint64_t entry)
{
	struct table_page *page;
	int r = entry_page(v, index, &page);

	if (r == 0)
		r = table_cache_mark_dirty(&v->tables, page);
	if (r < 0)
		return r;
	put_le64(entry_in(v, page, index), entry);
	return 0;
}

/* Is the range of the BAT a hole of the file, without pages in memory or in the
 * log?  1 or 0. */
static int is_hole(struct vhdx *v, size_t len, uint64_t off)
{
	uint64_t n;
	bool data;
	int r;

	if (v->overlay.n_pages || atomic_load(&v->tables.n))
		return 0;
	r = io_extent(v->img.io, off, &data, &n);
	return r < 0 ? r : !data && n >= len;
}

/* Reads a range of the BAT; pages in memory replace those on disk. */
static int read_piece(struct vhdx *v, uint8_t *buf, size_t len, uint64_t off)
{
	int r = vhdx_read_tables(v, buf, len, off);

	for (size_t at = 0; r == 0 && at < len; at += VHDX_PAGE) {
		const struct table_page *page =
			table_cache_find(&v->tables, off + at);

		if (page)
			memcpy(buf + at, page->data,
			       min_u64(VHDX_PAGE, len - at));
	}
	return r;
}

int vhdx_bat_scan(struct vhdx *v,
		  int (*visit)(struct vhdx *v, uint64_t index, uint64_t entry,
			       void *ctx),
		  void *ctx)
{
	_cleanup_free_ uint8_t *buf = malloc(SCAN_PIECE);
	uint64_t per_piece = SCAN_PIECE / VHDX_BAT_ENTRY;
	int r = 0;

	if (!buf)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	for (uint64_t i = 0; i < v->n_entries; i += per_piece) {
		uint64_t n = min_u64(per_piece, v->n_entries - i);

		r = is_hole(v, n * VHDX_BAT_ENTRY, entry_off(v, i));
		if (r > 0)
			continue;
		if (r == 0)
			r = read_piece(v, buf, n * VHDX_BAT_ENTRY,
				       entry_off(v, i));
		if (r == 0 && bytes_are_zero(buf, n * VHDX_BAT_ENTRY))
			continue;
		for (uint64_t j = 0; r == 0 && j < n; j++) {
			uint64_t entry = get_le64(buf + j * VHDX_BAT_ENTRY);

			if (entry)
				r = visit(v, i + j, entry, ctx);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int vhdx_bitmap_of(struct vhdx *v, uint64_t block, struct bitmap *ret)
{
	uint64_t index = vhdx_bitmap_index(v, block), entry;
	int r = vhdx_bat_get(v, index, &entry);

	if (r < 0)
		return r;
	if (VHDX_BAT_STATE(entry) == VHDX_NOT_PRESENT)
		return fail_entry(
			v, index,
			format_arg("a sector bitmap, as block %" PRIu64
				   " is partially present",
				   block),
			"none");
	*ret = (struct bitmap){
		.cache = &v->tables,
		.file_off = VHDX_BAT_OFFSET(entry),
		.first = block % v->chunk_ratio *
			 (v->img.block_size / v->img.sector_size),
	};
	return 0;
}

int vhdx_bitmap(struct image *img, uint64_t off, uint64_t len,
		struct bitmap *ret)
{
	int r;

	/* A whole block changes its BAT entry instead. */
	if (len == img->block_size)
		return 0;
	r = vhdx_bitmap_of(vhdx_of(img), off / img->block_size, ret);
	return r < 0 ? r : 1;
}

/* The first extent of a partially present block. */
static int map_partial(struct vhdx *v, uint64_t block, uint64_t in_block,
		       uint64_t len, uint64_t block_off, struct extent *ret)
{
	uint32_t sector_size = v->img.sector_size;
	struct bitmap bitmap;
	uint64_t run;
	bool here;
	int r = vhdx_bitmap_of(v, block, &bitmap);

	if (r == 0)
		r = bitmap_run(&bitmap, in_block / sector_size,
			       div_up(len, sector_size), &here, &run);
	if (r < 0)
		return r;
	ret->kind = here ? EXTENT_STORED : EXTENT_PARENT;
	ret->file_off = block_off + in_block;
	ret->len = min_u64(run * sector_size - in_block % sector_size, len);
	return 0;
}

/* The first extent of len bytes of a block. */
static int map_block(struct vhdx *v, uint64_t block, uint64_t in_block,
		     uint64_t len, struct extent *ret)
{
	uint64_t entry;
	int r = vhdx_bat_get(v, vhdx_payload_index(v, block), &entry);

	if (r < 0)
		return r;
	ret->len = len;
	ret->file_off = 0;
	switch (VHDX_BAT_STATE(entry)) {
	case VHDX_PRESENT:
		ret->kind = EXTENT_STORED;
		ret->file_off = VHDX_BAT_OFFSET(entry) + in_block;
		return 0;
	case VHDX_PARTIAL:
		return map_partial(v, block, in_block, len,
				   VHDX_BAT_OFFSET(entry), ret);
	case VHDX_NOT_PRESENT:
		if (v->img.type == IMAGE_DIFFERENCING) {
			ret->kind = EXTENT_PARENT;
			return 0;
		}
		/* fall through */
	default:
		/* Zeroed or unmapped: hides the parent. */
		ret->kind = EXTENT_ZERO;
		return 0;
	}
}

/* An extent that is not stored has allocated blocks only, or none. */
static bool is_contiguous(const struct extent *a, const struct extent *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == EXTENT_STORED ? a->file_off + a->len == b->file_off
					: !a->file_off == !b->file_off;
}

int vhdx_map(struct image *img, uint64_t off, uint64_t len, struct extent *ret)
{
	struct vhdx *v = vhdx_of(img);
	struct extent all = { 0 }, e = { 0 };

	/* Joins contiguous blocks, at most as many as a page has entries: the
	 * caller holds a lock. */
	for (int i = 0; i < VHDX_BAT_PER_PAGE && all.len < len; i++) {
		uint64_t at = off + all.len;
		uint64_t in_block = at % img->block_size;
		int r = map_block(
			v, at / img->block_size, in_block,
			min_u64(len - all.len, img->block_size - in_block), &e);

		/* An invalid later entry only ends the extent. */
		if (r < 0 && !i)
			return r;
		if (r < 0 || (i && !is_contiguous(&all, &e)))
			break;
		if (!i)
			all = e;
		else
			all.len += e.len;
		if ((at + e.len) % img->block_size)
			break;
	}
	*ret = all;
	return 0;
}
