/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VHD driver: open, close, and where the disk's bytes are.
 *
 * INVARIANTS of an open image
 *  1. footer, header, locators and the table's place were checked at open; a
 *     table entry is checked each time it is used (vhd_entry_check), so an
 *     open costs the same whatever the table's size; but the table of a file
 *     without a footer at its end is read (vhd-truncation.c).
 *  2. What is read of a block is what its bitmap says is stored.  A clear bit
 *     is the parent's in a differencing image and zero in a dynamic one, where
 *     the specification has zeros on disk.
 *  3. Every block that the table names ends before footer_off; of the disk's
 *     last block only what lies on the disk must.
 */
#include "config.h"

#include "format/vhd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/vhd-internal.h"

static int load_bat_page(void *ctx, void *data, uint64_t off)
{
	struct vhd *v = ctx;
	uint64_t len = (uint64_t)v->n_entries * BAT_ENTRY;

	/* The table's last page may be followed by anything. */
	memset(data, 0xff, VHD_SECTOR);
	return io_read(v->img.io, data, min_u64(VHD_SECTOR, len - off),
		       v->bat_off + off);
}

static int load_tables(struct vhd *v)
{
	int r = vhd_header_load(v);

	if (r == 0)
		r = table_cache_init(&v->bat, v->img.io, v->bat_off, VHD_SECTOR,
				     div_up(v->n_entries, BAT_PAGE_ENTRIES),
				     load_bat_page, v);
	if (r == 0)
		r = table_cache_init(&v->bitmaps, v->img.io, 0, VHD_SECTOR,
				     (uint64_t)v->n_blocks * v->bitmap_size /
					     VHD_SECTOR,
				     NULL, NULL);
	if (r < 0)
		return r;
	v->img.tables[0] = &v->bat;
	v->img.tables[1] = &v->bitmaps;
	return 0;
}

static int check_fixed(const struct vhd *v)
{
	if (v->img.size <= v->footer_off)
		return 0;
	return fail_found(
		-EBADMSG, v->img.io->name, "footer current size",
		v->footer_off + FOOTER_CURRENT_SIZE,
		words("at most the %" PRIu64 " bytes before it", v->footer_off),
		"%" PRIu64, v->img.size);
}

static const enum image_type types[] = {
	[VHD_TYPE_FIXED] = IMAGE_FIXED,
	[VHD_TYPE_DYNAMIC] = IMAGE_DYNAMIC,
	[VHD_TYPE_DIFFERENCING] = IMAGE_DIFFERENCING,
};

int vhd_load(struct vhd *v)
{
	struct vhd_footers f;
	const uint8_t *footer;
	uint64_t off;
	int r = vhd_footers_read(v->img.io, &f);

	if (r == 0)
		r = vhd_footers_choose(v->img.io, &f, &footer, &off);
	if (r == 0)
		r = vhd_footer_check(v->img.io, footer, off);
	if (r < 0)
		return r;
	memcpy(v->footer, footer, FOOTER_SIZE);
	v->file_size = f.file_size;
	v->footer_off = f.trailing_ok ? f.trailing_off : f.file_size;
	v->leading_same = !memcmp(v->footer, f.leading, FOOTER_SIZE_OLD);
	v->img.dirty = !f.trailing_ok;
	v->img.type = types[get_be32(footer + FOOTER_TYPE)];
	v->img.size = vhd_footer_size(footer);
	v->img.sector_size = VHD_SECTOR;
	v->img.physical_sector_size = VHD_SECTOR;
	v->img.id = guid_from_be(footer + FOOTER_ID);
	return v->img.type == IMAGE_FIXED ? check_fixed(v) : load_tables(v);
}

void vhd_unload(struct vhd *v)
{
	table_cache_fini(&v->bat);
	table_cache_fini(&v->bitmaps);
	vhd_write_fini(v);
}

static int vhd_peek(struct image *img, struct parent_ref *ret)
{
	struct vhd v = { .img = { .io = img->io } };
	int r = vhd_load(&v);

	if (r == 0 && v.img.type == IMAGE_DIFFERENCING)
		r = vhd_parent(&v.img, ret);
	if (r == 0) {
		img->type = v.img.type;
		img->size = v.img.size;
		img->sector_size = v.img.sector_size;
		img->id = v.img.id;
	} else if (v.img.size && v.img.type != IMAGE_DIFFERENCING) {
		/* Its footer says that it has no parent. */
		img->type = v.img.type;
		r = 0;
	}
	vhd_unload(&v);
	return r;
}

static int vhd_open(struct io *io, struct image **ret)
{
	struct vhd *v = calloc(1, sizeof *v);
	bool lost;
	int r;

	if (!v)
		return fail(-ENOMEM, "%s: out of memory", io->name);
	v->img.io = io;
	r = vhd_load(v);
	if (r == 0)
		r = vhd_check_truncation(v, &lost);
	if (r == 0)
		r = image_init(&v->img, &vhd_ops, io);
	if (r < 0) {
		vhd_unload(v);
		free(v);
		return r;
	}
	*ret = &v->img;
	return 0;
}

static int vhd_close(struct image *img)
{
	struct vhd *v = vhd_of(img);

	vhd_unload(v);
	image_fini(img);
	free(v);
	return 0;
}

/* Is there a cookie where a footer may be? */
static int vhd_probe(struct io *io)
{
	static const uint64_t before_end[] = { FOOTER_SIZE, FOOTER_SIZE_OLD };
	char cookie[8];
	uint64_t size;
	int r = io_size(io, &size);

	if (r < 0)
		return r;
	if (size < FOOTER_SIZE)
		return 0;
	r = io_read(io, cookie, sizeof cookie, 0);
	for (int i = 0; i < 2 && r == 0; i++) {
		if (!memcmp(cookie, FOOTER_COOKIE_TEXT, sizeof cookie))
			return 1;
		r = io_read(io, cookie, sizeof cookie, size - before_end[i]);
	}
	if (r < 0)
		return r;
	return !memcmp(cookie, FOOTER_COOKIE_TEXT, sizeof cookie);
}

/* Does the file end with a good footer of a fixed image that fits it? 1 or 0,
 * or an error of reading. */
static int vhd_is_fixed(struct io *io)
{
	struct vhd_footers f;
	int r = vhd_footers_read(io, &f);

	return r < 0 ? r : f.trailing_ok && vhd_footer_fits_fixed(&f);
}

/* How much of a block, its bitmap included, the file must hold: some end the
 * file, but for its footer, where the disk ends in the last block. */
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
	uint64_t at = v->bat_off + (uint64_t)block * BAT_ENTRY;

	if (!vhd_has_trailing(v) && !range_within(off, len, v->file_size))
		return vhd_fail_truncated(v, block, off);
	if (!range_within(off, len, v->footer_off))
		return fail_found(-EBADMSG, v->img.io->name,
				  "block allocation table", at,
				  words("a block that ends before the footer "
					"at offset %" PRIu64,
					v->footer_off),
				  "one at offset %" PRIu64, off);
	for (unsigned i = 0; i < v->n_structures; i++) {
		const struct range *s = &v->structures[i];

		if (ranges_overlap(off, len, s->off, s->end - s->off))
			return fail_found(
				-EBADMSG, v->img.io->name,
				"block allocation table", at,
				words("a block outside the structure at "
				      "offset %" PRIu64,
				      s->off),
				"one at offset %" PRIu64, off);
	}
	return 0;
}

int vhd_bat_get(struct vhd *v, uint32_t block, uint64_t *ret_off)
{
	struct table_page *page;
	uint32_t entry;
	int r = table_cache_get(&v->bat,
				(uint64_t)block / BAT_PAGE_ENTRIES * VHD_SECTOR,
				&page);

	if (r < 0)
		return r;
	entry = get_be32(page->data + block % BAT_PAGE_ENTRIES * BAT_ENTRY);
	if (entry == BAT_UNUSED) {
		*ret_off = 0;
		return 0;
	}
	r = vhd_entry_check(v, block, entry);
	if (r == 0)
		*ret_off = (uint64_t)entry * VHD_SECTOR;
	return r;
}

static bool get_bit(const uint8_t *bits, unsigned i)
{
	/* Most significant first. */
	return bits_load(&bits[i / 8]) >> (7 - i % 8) & 1;
}

/* The first of [from, end) whose bit is not as set says; else end. */
static unsigned run_end(const uint8_t *bits, unsigned from, unsigned end,
			bool set)
{
	uint8_t same = set ? 0xff : 0;

	while (from < end) {
		if (from % 8 == 0 && end - from >= 8 &&
		    bits_load(&bits[from / 8]) == same)
			from += 8;
		else if (get_bit(bits, from) == set)
			from++;
		else
			break;
	}
	return from;
}

/* How many of n sectors from first are as the first, and how that one is. */
static int bitmap_run(struct vhd *v, uint64_t bitmap_off, uint32_t first,
		      uint32_t n, bool *ret_set, uint32_t *ret_n)
{
	enum { PAGE_BITS = VHD_SECTOR * 8 };
	uint32_t at = first, end = first + n;

	while (at < end) {
		uint32_t base = at - at % PAGE_BITS, stop;
		struct table_page *page;
		int r = table_cache_get(&v->bitmaps, bitmap_off + base / 8,
					&page);

		if (r < 0)
			return r;
		if (at == first)
			*ret_set = get_bit(page->data, at - base);
		stop = min_u64(end - base, PAGE_BITS);
		at = base + run_end(page->data, at - base, stop, *ret_set);
		if (at < base + stop)
			break;
	}
	*ret_n = at - first;
	return 0;
}

/* The run of blocks that are not stored: at most len bytes from off, and not
 * more blocks than a few pages of the table have, for a lock is held. */
static int map_unused(struct vhd *v, uint64_t off, uint64_t len,
		      uint64_t *ret_len)
{
	uint64_t block_size = v->img.block_size, block_off = 0;
	uint64_t n = block_size - off % block_size;

	for (int i = 0; i < 8 * BAT_PAGE_ENTRIES && n < len; i++) {
		int r = vhd_bat_get(v, (off + n) / block_size, &block_off);

		/* What is wrong there is not asked for yet. */
		if (r < 0 || block_off)
			break;
		n += block_size;
	}
	*ret_len = min_u64(n, len);
	return 0;
}

static int vhd_map(struct image *img, uint64_t off, uint64_t len,
		   struct extent *ret)
{
	struct vhd *v = vhd_of(img);
	uint64_t within = img->block_size ? off % img->block_size : 0;
	enum extent_kind none =
		img->type == IMAGE_DIFFERENCING ? EXTENT_PARENT : EXTENT_ZERO;
	uint64_t block_off;
	uint32_t n;
	bool set = false;
	int r;

	if (img->type == IMAGE_FIXED) {
		*ret = (struct extent){ EXTENT_HERE, len, off };
		return 0;
	}
	r = vhd_bat_get(v, off / img->block_size, &block_off);
	if (r < 0)
		return r;
	if (!block_off) {
		ret->kind = none;
		ret->file_off = 0;
		return map_unused(v, off, len, &ret->len);
	}
	len = min_u64(len, img->block_size - within);
	r = bitmap_run(v, block_off, within / VHD_SECTOR, len / VHD_SECTOR,
		       &set, &n);
	if (r < 0)
		return r;
	ret->kind = set ? EXTENT_HERE : none;
	ret->len = (uint64_t)n * VHD_SECTOR;
	ret->file_off = block_off + v->bitmap_size + within;
	return 0;
}

const struct image_ops vhd_ops = {
	.name = "vhd",
	.title = "a VHD image",
	.endings = { "vhd", "avhd" },
	.only_sector_size = VHD_SECTOR,
	.probe = vhd_probe,
	.probe_named = vhd_is_fixed,
	.open = vhd_open,
	.close = vhd_close,
	.peek = vhd_peek,
	.parent = vhd_parent,
	.map = vhd_map,
	.may_write = vhd_may_write,
	.begin_writes = vhd_begin_writes,
	.end_writes = vhd_end_writes,
	.write = vhd_write,
	.can_set_allocated = vhd_can_set_allocated,
	.set_allocated = vhd_set_allocated,
	.zero = vhd_zero,
	.flush_begin = vhd_flush_begin,
	.flush_finish = vhd_flush_finish,
	.create = vhd_create,
	.convert_in_place = vhd_append_footer,
	.params_complete = vhd_params_complete,
	.check = vhd_check,
};
