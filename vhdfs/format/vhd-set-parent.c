/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Change of the parent that a differencing VHD names, and its removal.
 *
 * The dynamic header is two sectors, which no write replaces at once.  So a new
 * header and new locators are written elsewhere, together called the piece, and
 * the footer, one sector, decides between the two headers: its data offset.
 * The unique id and the contents stay, so children of this image stay valid.
 *
 * Without a parent the image is a dynamic one: the new header names no parent,
 * there are no locators, and the footer that names the header has the disk
 * type "dynamic".  All bits of each block are set before, as dynamic images of
 * Windows have them.
 *
 * ORDER; each step is synced.
 *  P0  Both footers are valid and equal (vhd_footers_restore).
 *  P1  Write the piece into space that neither footer leads to: a gap of zeros,
 *      or the end of the file.  At the end the file grows by the piece and a
 *      sector of zeros for the footer: after a crash the trailing footer is
 *      missing, and the copy at offset 0 is used, with the old header.
 *  P2  Write the trailing footer, which names the new header and has the new
 *      disk type.  From here on readers see the new parent, or none.  A torn
 *      footer is invalid: the copy is used.
 *  P3  Write the copy at offset 0.  Now both footers name the new header.
 *  P4  Clear the old header and its locators, so that a later piece finds a gap
 *      of zeros; not synced, as nothing refers to them.
 *
 * XenServer refuses an image with metadata behind its first block.  So in its
 * images, which have a batmap, the space behind the table is used to the
 * sector, and old footers, which its programs leave before the first block, are
 * free: two pieces fit there by turns.
 *
 * A failure before P2 leaves the old parent; the file keeps its size if it can.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/vhd-internal.h"

struct piece {
	uint8_t header[HEADER_SIZE];
	struct vhd_parent_paths paths;
	bool removes;      /* the parent: header and paths name none */
	uint64_t off, len; /* in the file */
	bool grows;        /* it lies behind the old end of the file */
};

static void piece_fini(struct piece *piece)
{
	vhd_parent_paths_fini(&piece->paths);
}

static int piece_make(const struct vhd *v, const struct image_params *params,
		      struct piece *piece)
{
	struct vhd_path *absolute = &piece->paths.absolute;
	struct vhd_path *relative = &piece->paths.relative;
	int r;

	memcpy(piece->header, v->header, HEADER_SIZE);
	r = vhd_parent_encode(piece->header, params, &piece->paths);
	absolute->space = round_up(absolute->len, VHD_SECTOR);
	relative->space = round_up(relative->len, VHD_SECTOR);
	piece->len = HEADER_SIZE + absolute->space + relative->space;
	return r;
}

/* The piece of a dynamic image: the header alone. */
static void piece_make_removal(const struct vhd *v, struct piece *piece)
{
	uint8_t *header = piece->header;

	memcpy(header, v->header, HEADER_SIZE);
	memset(header + HEADER_PARENT_ID, 0, 16);
	put_be32(header + HEADER_PARENT_TIME, 0);
	memset(header + HEADER_PARENT_NAME, 0, HEADER_PARENT_NAME_SIZE);
	memset(header + HEADER_LOCATORS, 0, LOCATOR_SLOTS * LOCATOR_SIZE);
	piece->removes = true;
	piece->len = HEADER_SIZE;
}

static bool is_old_footer(const uint8_t *sector)
{
	return !memcmp(sector, FOOTER_COOKIE_TEXT, 8) &&
	       get_be32(sector + FOOTER_CHECKSUM) ==
		       vhd_checksum(sector, FOOTER_SIZE, FOOTER_CHECKSUM);
}

/* Has the free space nothing that another program may keep there?  off and len
 * are whole sectors. */
static int is_unused(const struct vhd *v, uint64_t off, uint64_t len, bool *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(len);
	int r;

	if (!buf)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	r = io_read_padded(v->img.io, buf, len, off);
	*ret = r == 0;
	for (uint64_t at = 0; *ret && at < len; at += VHD_SECTOR)
		*ret = bytes_are_zero(buf + at, VHD_SECTOR) ||
		       (v->exact_table && is_old_footer(buf + at));
	return r;
}

static int find_first(void *ctx, uint32_t block, uint32_t entry)
{
	uint64_t *first = ctx;

	(void)block;
	*first = min_u64(*first, (uint64_t)entry * VHD_SECTOR);
	return 0;
}

/* Of an image of XenServer: is the space right before the first block unused?
 * A piece there leaves room for the next one.  Sets its place. */
static int place_before_blocks(struct vhd *v, struct piece *piece, bool *ret)
{
	uint64_t first = v->footer_off;
	int r = vhd_bat_scan(v, find_first, &first);

	*ret = false;
	if (r < 0 || first < piece->len)
		return r;
	piece->off = round_down(first - piece->len, VHD_SECTOR);
	if (!extent_set_is_free(&v->space, piece->off, piece->len))
		return 0;
	return is_unused(v, piece->off, piece->len, ret);
}

/*
 * Finds a place for the piece.  Free space that is not zero may hold what
 * another program keeps there.  Changes v->space, which the caller unloads.
 */
static int piece_place(struct vhd *v, struct piece *piece)
{
	bool unused = false;
	int r = vhd_space_load(v);

	if (r == 0 && v->exact_table)
		r = place_before_blocks(v, piece, &unused);
	while (r == 0 && !unused) {
		r = extent_set_alloc(&v->space, piece->len, VHD_SECTOR, 0, 0,
				     VHD_FILE_MAX - VHD_ALIGN, &piece->off);
		if (r == -ENOSPC)
			return fail(-EFBIG,
				    "%s: no space for another parent: a VHD "
				    "file has at most 2 TiB",
				    v->img.io->name);
		if (r < 0 || piece->off + piece->len > v->footer_off)
			break;
		r = is_unused(v, piece->off, piece->len, &unused);
	}
	piece->grows = !unused;
	if (piece->grows)
		piece->off = round_up(v->file_size, VHD_ALIGN);
	return r;
}

static void piece_fill(struct piece *piece)
{
	struct vhd_path *absolute = &piece->paths.absolute;
	struct vhd_path *relative = &piece->paths.relative;

	absolute->off = piece->off + HEADER_SIZE;
	relative->off = absolute->off + absolute->space;
	if (!piece->removes)
		vhd_locators_put(piece->header, &piece->paths);
	vhd_header_seal(piece->header);
}

/* P1 */
static int piece_write(struct vhd *v, const struct piece *piece)
{
	static const uint8_t zeros[FOOTER_SIZE];
	uint64_t footer_off = vhd_footer_offset(piece->off + piece->len);
	int r = 0;

	/* Written, not only resized: P2 must not lack the space. */
	if (piece->grows)
		r = io_write(v->img.io, zeros, FOOTER_SIZE, footer_off);
	else if (v->exact_table)
		r = io_zero(v->img.io, piece->off, piece->len, true);
	if (r == 0)
		r = io_write(v->img.io, piece->header, HEADER_SIZE, piece->off);
	if (r == 0)
		r = vhd_parent_paths_write(v->img.io, &piece->paths);
	return r < 0 ? r : io_sync(v->img.io);
}

/* P1 failed: nothing refers to the piece. */
static void piece_undo(struct vhd *v, const struct piece *piece)
{
	struct error why = *error_last();

	if (piece->grows)
		(void)io_resize(v->img.io, v->file_size);
	else
		(void)io_zero(v->img.io, piece->off, piece->len, false);
	error_set(&why);
}

/* P2 and P3 */
static int switch_header(struct vhd *v, const struct piece *piece)
{
	int r;

	if (piece->grows) {
		v->footer_off = vhd_footer_offset(piece->off + piece->len);
		v->file_size = v->footer_off + FOOTER_SIZE;
	}
	put_be64(v->footer + FOOTER_DATA_OFFSET, piece->off);
	if (piece->removes)
		put_be32(v->footer + FOOTER_TYPE, VHD_TYPE_DYNAMIC);
	vhd_footer_seal(v->footer);
	v->leading_same = false;
	r = vhd_footer_rewrite(v);
	return r < 0 ? r : vhd_footer_copy(v);
}

/* P4: a failure leaks the space. */
static void clear_old(struct vhd *v, const struct range *ranges, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t off = round_down(ranges[i].off, VHD_SECTOR);
		uint64_t len = round_up(ranges[i].end, VHD_SECTOR) - off;

		if (extent_set_is_free(&v->space, off, len))
			(void)io_zero(v->img.io, off, len, false);
	}
}

static int change(struct vhd *v, struct piece *piece)
{
	struct range old[6 + LOCATOR_SLOTS + 1];
	unsigned n = v->n_structures;
	int r = piece_place(v, piece);

	if (r < 0)
		return r;
	memcpy(old, v->structures, sizeof v->structures);
	if (piece->grows)
		old[n++] = (struct range){ v->footer_off, v->file_size };
	piece_fill(piece);
	r = piece_write(v, piece);
	if (r < 0) {
		piece_undo(v, piece);
		return r;
	}
	r = switch_header(v, piece);
	if (r < 0)
		return image_fail(&v->img, r);
	if (piece->removes)
		v->img.type = IMAGE_DYNAMIC;
	vhd_space_unload(v);
	r = vhd_header_load(v);
	if (r == 0)
		r = vhd_space_load(v);
	if (r == 0)
		clear_old(v, old, n);
	return r;
}

/* P0 to P4 */
static int change_restored(struct vhd *v, struct piece *piece)
{
	int r = vhd_footers_restore(v); /* P0 */

	if (r < 0)
		return vhd_fail_metadata(v, r);
	vhd_space_unload(v);
	v->exact_table = v->batmap_len != 0;
	r = change(v, piece);
	v->exact_table = false;
	vhd_space_unload(v);
	return r;
}

int vhd_set_parent(struct image *img, const struct image_params *params)
{
	struct vhd *v = vhd_of(img);
	_cleanup_(piece_fini) struct piece piece = { 0 };
	int r = vhd_may_write(img);

	if (r == 0)
		r = piece_make(v, params, &piece);
	return r < 0 ? r : change_restored(v, &piece);
}

int vhd_remove_parent(struct image *img)
{
	struct vhd *v = vhd_of(img);
	_cleanup_(piece_fini) struct piece piece = { 0 };
	int r = vhd_may_write(img);

	if (r < 0)
		return r;
	piece_make_removal(v, &piece);
	return change_restored(v, &piece);
}
