/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VHD format: its image_ops, with open, close and the block map.
 *
 * INVARIANTS of an open image
 *  1. Footer, header, locators and the table's offset were checked at open.  A
 *     table entry is checked each time it is used (vhd_entry_check), so an open
 *     costs the same for any size of the table.  Exception: the table of a file
 *     without a trailing footer is read at open (vhd-truncation.c).
 *  2. A sector of a block is stored if its bit in the bitmap is set.  With a
 *     clear bit it is the parent's in a differencing image, and zero in a
 *     dynamic one, where the specification has zeros on disk.
 *  3. Every block that the table refers to ends before footer_off.  For the
 *     disk's last block this holds for the part that lies on the disk.
 */
#include "config.h"

#include "format/vhd.h"

#include "format/vhd-internal.h"

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
		/* The footer is valid, and its type has no parent. */
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

/* 1 if the file ends with a valid footer of a fixed image of the file's size, 0
 * if not, or an error of reading. */
static int vhd_is_fixed(struct io *io)
{
	struct vhd_footers f;
	int r = vhd_footers_read(io, &f);

	return r < 0 ? r : f.trailing_ok && vhd_footer_fits_fixed(&f);
}

/* The length of the range of unallocated blocks at off, at most len bytes.
 * Reads a few pages of the table only, because img.lock is held. */
static int map_unused(struct vhd *v, uint64_t off, uint64_t len,
		      uint64_t *ret_len)
{
	uint64_t block_size = v->img.block_size, block_off = 0;
	uint64_t n = block_size - off % block_size;

	for (int i = 0; i < 8 * BAT_PAGE_ENTRIES && n < len; i++) {
		int r = vhd_bat_get(v, (off + n) / block_size, &block_off);

		/* An error there belongs to a later map. */
		if (r < 0 || block_off)
			break;
		n += block_size;
	}
	*ret_len = min_u64(n, len);
	return 0;
}

static int vhd_bitmap(struct image *img, uint64_t off, uint64_t len,
		      struct bitmap *ret)
{
	struct vhd *v = vhd_of(img);
	uint64_t block_off;
	int r = vhd_bat_get(v, off / img->block_size, &block_off);

	(void)len;
	if (r < 0 || !block_off)
		return r;
	*ret = vhd_bitmap_at(v, block_off);
	return 1;
}

static int vhd_map(struct image *img, uint64_t off, uint64_t len,
		   struct extent *ret)
{
	struct vhd *v = vhd_of(img);
	uint64_t within = img->block_size ? off % img->block_size : 0;
	enum extent_kind none =
		img->type == IMAGE_DIFFERENCING ? EXTENT_PARENT : EXTENT_ZERO;
	uint64_t block_off, n;
	struct bitmap bitmap;
	bool set = false;
	int r;

	if (img->type == IMAGE_FIXED) {
		*ret = (struct extent){ EXTENT_STORED, len, off };
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
	bitmap = vhd_bitmap_at(v, block_off);
	r = bitmap_run(&bitmap, within / VHD_SECTOR, len / VHD_SECTOR, &set,
		       &n);
	if (r < 0)
		return r;
	ret->kind = set ? EXTENT_STORED : none;
	ret->len = n * VHD_SECTOR;
	ret->file_off = block_off + v->bitmap_size + within;
	return 0;
}

const struct image_ops vhd_ops = {
	.name = "vhd",
	.title = "VHD",
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
	.write = vhd_write,
	.bitmap = vhd_bitmap,
	.zero = vhd_zero,
	.flush_begin = vhd_flush_begin,
	.flush_finish = vhd_flush_finish,
	.create = vhd_create,
	.convert_in_place = vhd_append_footer,
	.params_complete = vhd_params_complete,
	.settle = vhd_settle,
	.set_parent = vhd_set_parent,
	.remove_parent = vhd_remove_parent,
	.check = vhd_check,
};
