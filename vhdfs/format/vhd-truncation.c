/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Truncation: a dynamic or differencing VHD whose trailing footer is missing
 * was truncated, or a crash left it so.
 *
 * The footer is the last thing in the file, so a file that has it is whole, and
 * nothing is looked at.  Without it the copy at 0 opens the image.  A crash
 * lets the file grow and never shortens it:
 *   - vhdfs takes space for a block by extending the file (O1 in vhd-write.c);
 *     O6 syncs the size before O7 writes the table that names the block.  The
 *     footer is lost only where a new block is written over it, behind all that
 *     the table names.
 *   - Windows and QEMU append in the same way.
 * So after a crash the file holds every block that the table names, whole, and
 * has room for the footer behind the last one.  A file without either was
 * truncated, and is not opened.
 *
 * The footer's place is at the end of a page of 4 KiB for vhdfs and for Windows
 * (creator "win ").  Others put it right behind the last block.
 *
 * A fixed image has no second footer: truncated, it is no VHD any more.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "format/vhd-internal.h"

bool vhd_has_trailing(const struct vhd *v)
{
	return v->footer_off < v->file_size;
}

static bool is_by_windows(const struct vhd *v)
{
	return !memcmp(v->footer + FOOTER_CREATOR, "win ", 4);
}

int vhd_fail_truncated(const struct vhd *v, uint32_t block, uint64_t off)
{
	int r = fail_found(-EBADMSG, v->img.io->name, "block allocation table",
			   v->bat_off + (uint64_t)block * BAT_ENTRY,
			   words("a block inside the file of %" PRIu64 " bytes",
				 v->file_size),
			   "%" PRIu64 " bytes at offset %" PRIu64
			   ": the file was truncated",
			   v->block_len, off);

	error_advise("copy it again from where it is whole");
	return r;
}

struct search {
	const struct vhd *v;
	uint64_t end; /* of all blocks so far */
};

static int take_block(void *ctx, uint32_t block, uint32_t entry)
{
	struct search *s = ctx;
	uint64_t off = (uint64_t)entry * VHD_SECTOR;

	if (block >= s->v->n_blocks)
		return 0;
	s->end = max_u64(s->end, off + s->v->block_len);
	return range_within(off, s->v->block_len, s->v->file_size)
		       ? 0
		       : vhd_fail_truncated(s->v, block, off);
}

/* Where the last structure ends, as the program that wrote the file left it. */
static int find_structures_end(const struct vhd *v, uint64_t *ret)
{
	struct extent_set space = { 0 };
	int r = 0;

	for (unsigned i = 0; i < v->n_structures; i++)
		*ret = max_u64(*ret, v->structures[i].end);
	if (!is_by_windows(v))
		return 0;
	r = vhd_space_structures(v, &space);
	extent_set_sort(&space);
	*ret = max_u64(*ret, extent_set_end(&space));
	extent_set_fini(&space);
	return r;
}

static int check_footer_room(const struct vhd *v, uint64_t end)
{
	uint64_t place = is_by_windows(v) ? vhd_footer_offset(end) : end;

	if (range_within(place, FOOTER_SIZE, v->file_size))
		return 0;
	fail_found(-EBADMSG, v->img.io->name, "footer", place,
		   "a footer behind the last block",
		   "the end of the file at %" PRIu64 ": the file was truncated",
		   v->file_size);
	error_advise("copy it again, or vhdfs-img check --repair writes the "
		     "footer, for no block is missing");
	return -EBADMSG;
}

int vhd_check_truncation(struct vhd *v, bool *ret_lost)
{
	struct search s = { .v = v };
	int r;

	*ret_lost = false;
	if (v->img.type == IMAGE_FIXED || vhd_has_trailing(v))
		return 0;
	r = vhd_bat_scan(v, take_block, &s);
	*ret_lost = r == -EBADMSG;
	if (r == 0)
		r = find_structures_end(v, &s.end);
	return r < 0 ? r : check_footer_room(v, s.end);
}
