/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first change after an open: repair what a crash left, and give the image
 * a new unique id.  The order of writes continues in vhd-write.c.
 *
 * NEW UNIQUE ID.  A child refers to its parent by the unique id in the
 * parent's footer.  The first change after an open gives the image a new id, as
 * a VHDX gets a new DataWriteGuid: a child that was made before is then
 * refused, instead of showing a mixture of old and new data.  An image that is
 * opened and not changed keeps its id.  A change after image_end_writes gives a
 * new id again, because a child may have been made in between.
 *
 * ORDER
 *  O0  Changes of the tables that the previous process made, and did not write
 *      before it crashed, are written by O4 to O8.
 *  N1  Write the trailing footer to offset 0, if the copy there differs: sync.
 *  N2  Write the trailing footer with the new id: sync.  From here on readers
 *      see the new id, with the old data.  A table that a crashed process wrote
 *      into the page cache only is durable as well: so no table on disk refers
 *      to space that this table does not refer to (3).
 *  N3  Write the new footer to offset 0: sync.  The file does not grow before,
 *      so at every moment a footer is valid: until N2 is durable both have the
 *      old id, afterwards the trailing one is used.  Data is written after N3,
 *      because O1 may lose the trailing footer (4).
 *      A fixed image has no copy, so it needs N2 only: one sector, which is old
 *      or new after a crash.  If the footer is not aligned to a sector it is
 *      not changed, and the image keeps its id.
 */
#include "config.h"

#include "format/vhd-internal.h"

/*
 * Refuses two kinds of images.  A table entry across two sectors may be written
 * in half.  A disk in saved state belongs to a suspended machine: a write would
 * destroy its file system when the machine resumes.
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

/* Writes the missing footer behind the last block, and ends the file there. */
static int restore_footer(struct vhd *v)
{
	uint64_t footer_off;
	int r = vhd_space_load(v);

	if (r < 0)
		return r;
	footer_off = vhd_footer_offset(extent_set_end(&v->space));
	r = io_write(v->img.io, v->footer, FOOTER_SIZE, footer_off);
	if (r == 0)
		r = io_resize(v->img.io, footer_off + FOOTER_SIZE);
	if (r == 0)
		r = io_sync(v->img.io);
	if (r == 0) {
		v->footer_off = footer_off;
		v->file_size = footer_off + FOOTER_SIZE;
	}
	return r;
}

int vhd_footer_copy(struct vhd *v)
{
	int r = io_write(v->img.io, v->footer, FOOTER_SIZE, 0);

	if (r == 0)
		r = io_sync(v->img.io);
	if (r == 0)
		v->leading_same = true;
	return r;
}

int vhd_footers_restore(struct vhd *v)
{
	int r = vhd_has_trailing(v) ? 0 : restore_footer(v);

	return r < 0 || v->leading_same ? r : vhd_footer_copy(v);
}

int vhd_footer_rewrite(struct vhd *v)
{
	/* It may have 511 bytes. */
	uint64_t len = min_u64(FOOTER_SIZE, v->file_size - v->footer_off);
	int r = io_write(v->img.io, v->footer, len, v->footer_off);

	return r < 0 ? r : io_sync(v->img.io); /* N2 */
}

/* N1 to N3 */
static int renew_id(struct vhd *v)
{
	const struct guid id = v->img.keeps_id ? v->img.id : guid_random();
	int r = 0;

	if (!vhd_has_blocks(v) && v->footer_off % VHD_SECTOR)
		return 0;
	if (vhd_has_blocks(v) && !v->leading_same)
		r = vhd_footer_copy(v); /* N1 */
	if (r < 0)
		return r;
	guid_to_be(v->footer + FOOTER_ID, &id);
	vhd_footer_seal(v->footer);
	v->leading_same = false;
	r = vhd_has_trailing(v) ? vhd_footer_rewrite(v)
				: restore_footer(v); /* N2 */
	if (r < 0)
		return r;
	v->img.id = id;
	return vhd_has_blocks(v) ? vhd_footer_copy(v) : 0; /* N3 */
}

/*
 * A set bit of a batmap means that the whole block is stored, and its bitmap
 * need not be read.  vhdfs does not maintain the batmap.  A clear bit is always
 * valid, so all bits are cleared before the first change of the table.
 */
static int clear_batmap(struct vhd *v)
{
	uint64_t header = round_up(vhd_entry_off(v, v->n_entries), VHD_SECTOR);
	uint8_t sum[4];
	int r;

	put_be32(sum, ~UINT32_C(0));
	r = io_zero(v->img.io, v->batmap_off, v->batmap_len, true);
	if (r == 0)
		r = io_write(v->img.io, sum, sizeof sum,
			     header + BATMAP_CHECKSUM);
	return r < 0 ? r : io_sync(v->img.io);
}

int vhd_may_write(struct image *img)
{
	struct vhd *v = vhd_of(img);
	int r = footer_may_write(v);

	if (r < 0 || !vhd_has_blocks(v))
		return r;
	r = vhd_space_load(v);
	/* Used by writes only. */
	if (r == 0 && !img->writable)
		vhd_space_unload(v);
	return r;
}

/*
 * O0: writes the changes of the tables that a crashed process left in memory
 * that survives it.  The data is in the file, and of a new block the first
 * bitmap too (O1), so O7 writes entries of complete blocks only.
 */
static int prepare_tables(struct vhd *v)
{
	int r;

	/* vhd_may_write built it from the table on disk, without the changes.
	 */
	if (v->bat.n_dirty)
		vhd_space_unload(v);
	r = image_flush_tables(&v->img);
	/* Detect overlapping blocks before one of them is changed. */
	return r < 0 ? r : vhd_space_load(v);
}

int vhd_begin_writes(struct image *img)
{
	struct vhd *v = vhd_of(img);
	int r = footer_may_write(v);

	if (r == 0 && vhd_has_blocks(v))
		r = prepare_tables(v);
	if (r < 0)
		return r;
	r = renew_id(v);
	if (r == 0 && v->batmap_len)
		r = clear_batmap(v);
	return r < 0 ? vhd_fail_metadata(v, r) : 0;
}

int vhd_settle(struct image *img)
{
	struct vhd *v = vhd_of(img);
	int r;

	if (!vhd_has_blocks(v))
		return 0;
	r = footer_may_write(v);
	if (r == 0)
		r = prepare_tables(v);
	return r < 0 ? r : vhd_footers_restore(v);
}
