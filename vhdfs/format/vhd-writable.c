/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first change after an open: what a crash left is mended, and the image
 * gets a new identifier.  It goes on with vhd-write.c.
 *
 * NEW IDENTIFIER.  A child names its parent by the unique id in the parent's
 * footer.  The first change after an open gives the image a new one, as a VHDX
 * gets a new DataWriteGuid: a child that was made before, wherever it is, is
 * refused then, and shows no mixture of old and new.  An image that is opened
 * and not changed keeps its id.
 *
 * ORDER
 *  O0  What a process that died had changed in the tables goes to the disk by
 *      O4 to O8.
 *  N1  The copy of the footer at 0 is made the same as the footer at the end,
 *      where it is not: sync.
 *  N2  The footer at the end is written with the new id: sync.  From here on
 *      readers see the new id, with the old data.  A table that a process wrote
 *      just before it died, and that was only in the page cache, is durable
 *      too: the room that it does not name no table on disk names (3).
 *  N3  The copy at 0 is made the same: sync.  The file does not grow before
 *      that, so one of both can be read at any moment: before N2 is durable
 *      both have the old id, and after it the one at the end is taken.  Data
 *      comes after N3, for O1 may lose the footer at the end (4).
 *      A fixed image has no copy, and N2 alone: one sector, which a crash
 *      leaves old or new.  Where it is not one sector of the file, it is left
 *      as it is, with the old id.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/guid.h"
#include "format/vhd-internal.h"

/*
 * An entry that lies across two sectors could be half written.  A disk in saved
 * state belongs to a machine whose memory holds what the disk had then: a
 * write would destroy the file system once that machine goes on.
 */
static int footer_may_write(const struct vhd *v)
{
	if (v->footer[FOOTER_SAVED_STATE])
		return fail_found(-EOPNOTSUPP, v->img.io->name,
				  "footer saved state",
				  v->footer_off + FOOTER_SAVED_STATE,
				  "0, to write to this image", "%u",
				  v->footer[FOOTER_SAVED_STATE]);
	if (!vhd_has_blocks(v) || v->bat_off % BAT_ENTRY == 0)
		return 0;
	return fail_found(-EOPNOTSUPP, v->img.io->name, "table offset",
			  v->header_off + HEADER_TABLE_OFFSET,
			  "a multiple of 4, to write to this image", "%" PRIu64,
			  v->bat_off);
}

int vhd_fail_metadata(struct vhd *v, int r)
{
	return r == -ENOSPC || r == -EDQUOT || r == -EFBIG
		       ? r
		       : image_fail(&v->img, r);
}

/* Puts the footer behind the last block, and ends the file there. */
static int restore_footer(struct vhd *v)
{
	uint64_t place;
	int r = vhd_space_load(v);

	if (r < 0)
		return r;
	place = vhd_footer_offset(extent_set_end(&v->space));
	r = io_write(v->img.io, v->footer, FOOTER_SIZE, place);
	if (r == 0)
		r = io_resize(v->img.io, place + FOOTER_SIZE);
	if (r == 0)
		r = io_sync(v->img.io);
	if (r == 0) {
		v->footer_off = place;
		v->file_size = place + FOOTER_SIZE;
	}
	return r;
}

/* With the trailing footer in place, makes the one at 0 the same, so that it
 * can stand in for the other while the file grows. */
static int restore_copy(struct vhd *v)
{
	int r = io_write(v->img.io, v->footer, FOOTER_SIZE, 0);

	if (r == 0)
		r = io_sync(v->img.io);
	if (r == 0)
		v->leading_same = true;
	return r;
}

/* Over the one that is there; some have a byte less. */
static int rewrite_footer(struct vhd *v)
{
	uint64_t len = min_u64(FOOTER_SIZE, v->file_size - v->footer_off);
	int r = io_write(v->img.io, v->footer, len, v->footer_off);

	return r < 0 ? r : io_sync(v->img.io); /* N2 */
}

/* N1 to N3 */
static int renew_id(struct vhd *v)
{
	const struct guid id = guid_random();
	int r = 0;

	if (!vhd_has_blocks(v) && v->footer_off % VHD_SECTOR)
		return 0;
	if (vhd_has_blocks(v) && !v->leading_same)
		r = restore_copy(v); /* N1 */
	if (r < 0)
		return r;
	guid_to_be(v->footer + FOOTER_ID, &id);
	vhd_footer_seal(v->footer);
	v->leading_same = false;
	r = vhd_has_trailing(v) ? rewrite_footer(v)
				: restore_footer(v); /* N2 */
	if (r < 0)
		return r;
	v->img.id = id;
	return vhd_has_blocks(v) ? restore_copy(v) : 0; /* N3 */
}

/*
 * A set bit of a batmap says "all of this block is stored here: its bitmap
 * need not be read".  We do not keep it; a clear bit is always right, so all
 * are cleared, once, before the first change of the table.
 */
static int clear_batmap(struct vhd *v)
{
	uint64_t header = round_up(
		v->bat_off + (uint64_t)v->n_entries * BAT_ENTRY, VHD_SECTOR);
	uint8_t sum[4];
	int r;

	put_be32(sum, ~UINT32_C(0));
	r = io_zero(v->img.io, v->batmap_off, v->batmap_len, true);
	if (r == 0)
		r = io_write(v->img.io, sum, sizeof sum,
			     header + BATMAP_CHECKSUM);
	return r < 0 ? r : io_sync(v->img.io);
}

/*
 * The tables have changes of a process that died, which are nowhere else.  What
 * they name is in the file, and of a new block also its first bitmap (O1), so
 * O7 names none that is not whole.
 */
static int flush_adopted(struct vhd *v)
{
	int r = vhd_flush_begin(&v->img);

	if (r <= 0)
		return r;
	/* vhd_may_write made it of the table on disk, without these changes. */
	vhd_space_unload(v);
	r = vhd_flush_finish(&v->img);
	return r < 0 ? image_fail(&v->img, r) : 0;
}

int vhd_may_write(struct image *img)
{
	struct vhd *v = vhd_of(img);
	int r = footer_may_write(v);

	if (r < 0 || !vhd_has_blocks(v))
		return r;
	r = vhd_space_load(v);
	/* Only an image that is written needs to know. */
	if (r == 0 && !img->writable)
		vhd_space_unload(v);
	return r;
}

static int make_ready(struct vhd *v)
{
	int r = flush_adopted(v); /* O0 */

	/* Blocks that overlap are found before one of them is changed. */
	if (r == 0)
		r = vhd_space_load(v);
	return r;
}

int vhd_begin_writes(struct image *img)
{
	struct vhd *v = vhd_of(img);
	int r = footer_may_write(v);

	if (r == 0 && vhd_has_blocks(v))
		r = make_ready(v);
	if (r < 0)
		return r;
	r = renew_id(v);
	if (r == 0 && v->batmap_len)
		r = clear_batmap(v);
	return r < 0 ? vhd_fail_metadata(v, r) : 0;
}

int vhd_end_writes(struct image *img)
{
	/* The next change gives it a new id again: others may lock it and make
	 * a child of it meanwhile. */
	(void)img;
	return 0;
}
