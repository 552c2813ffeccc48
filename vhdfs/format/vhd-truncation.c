/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Detection of truncated files: a dynamic or differencing VHD without a
 * trailing footer was truncated, or a crash has left it so.
 *
 * The footer is at the end of the file, so a file that has it is complete.
 * Without it the image is opened by the footer copy at offset 0.  A crash may
 * leave the file longer, but never shorter:
 *   - vhdfs allocates a block by extending the file (O1 in vhd-write.c), and
 *     O6 syncs the size before O7 writes the table entry.  A crash loses the
 *     footer only if a new block is written over it, behind all blocks of the
 *     table on disk.
 *   - Windows and QEMU append in the same way.
 * So after a crash the file has every block of the table completely, and room
 * for the footer behind the last one.  A file without these was truncated, and
 * is not opened.
 *
 * vhdfs and Windows (creator "win ") put the footer at the end of a page of
 * 4 KiB; other programs put it right behind the last block.
 *
 * A fixed image has no second footer: if truncated it is not a VHD any more.
 */
#include "config.h"

#include "format/vhd-internal.h"

static bool is_by_windows(const struct vhd *v)
{
	return !memcmp(v->footer + FOOTER_CREATOR, "win ", 4);
}

struct blocks_end {
	const struct vhd *v;
	uint64_t end; /* of all blocks so far */
};

static int add_block(void *ctx, uint32_t block, uint32_t entry)
{
	struct blocks_end *s = ctx;
	uint64_t off = (uint64_t)entry * VHD_SECTOR;

	if (block >= s->v->n_blocks)
		return 0;
	s->end = max_u64(s->end, off + s->v->block_len);
	return range_within(off, s->v->block_len, s->v->file_size)
		       ? 0
		       : vhd_fail_truncated(s->v, block, off);
}

/* *ret: at least the end of the last structure, with the space that the program
 * which made the file reserves for it. */
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
	uint64_t footer_off = is_by_windows(v) ? vhd_footer_offset(end) : end;

	if (range_within(footer_off, FOOTER_SIZE, v->file_size))
		return 0;
	fail_found(-EBADMSG, v->img.io->name, "footer", footer_off,
		   "a footer behind the last block",
		   "the end of the file at %" PRIu64 ": the file was truncated",
		   v->file_size);
	error_advise("copy it again; or write the footer with vhdfs-img check "
		     "--repair, because no block is missing");
	return -EBADMSG;
}

int vhd_check_truncation(struct vhd *v, bool *ret_lost)
{
	struct blocks_end s = { .v = v };
	int r;

	*ret_lost = false;
	if (v->img.type == IMAGE_FIXED || vhd_has_trailing(v))
		return 0;
	r = vhd_bat_scan(v, add_block, &s);
	*ret_lost = r == -EBADMSG;
	if (r == 0)
		r = find_structures_end(v, &s.end);
	return r < 0 ? r : check_footer_room(v, s.end);
}
