/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Space in a VHD file: allocate and free blocks.
 *
 * The set of used extents is built by one scan of the table, before the first
 * block is allocated or freed.  A block is allocated at the lowest free offset
 * that is aligned as in Windows: its data, not the bitmap before the data, at a
 * multiple of 4 KiB.  So the bitmap of a new last block is where the footer
 * was; the footer moves behind the block.
 *
 * Freed space holds old data of the guest: it is cleared before it is allocated
 * again, and it is allocated only once its release is durable.
 */
#include "config.h"

#include "format/vhd-internal.h"

uint64_t vhd_footer_offset(uint64_t end)
{
	return round_up(end + FOOTER_SIZE, VHD_ALIGN) - FOOTER_SIZE;
}

int vhd_space_structures(const struct vhd *v, struct extent_set *space)
{
	int r = 0;

	for (unsigned i = 0; i < v->n_structures && r == 0; i++) {
		uint64_t off = round_down(v->structures[i].off, VHD_SECTOR);
		uint64_t end = round_up(v->structures[i].end, VHD_SECTOR);

		r = extent_set_add(space, off, end - off);
	}
	/* Windows reserves the table's space in units of 4 KiB. */
	if (r == 0)
		r = extent_set_add(
			space, v->bat_off,
			round_up((uint64_t)v->n_entries * BAT_ENTRY,
				 v->exact_table ? VHD_SECTOR : VHD_ALIGN));
	/* The space reserved for a locator, if its size is plausible. */
	for (unsigned i = 0; i < LOCATOR_SLOTS && r == 0; i++) {
		struct vhd_locator loc = vhd_locator_get(v->header, i);

		if (v->img.type == IMAGE_DIFFERENCING && loc.code && loc.len &&
		    loc.space <= MIB(1) &&
		    range_within(loc.off, loc.space, v->footer_off))
			r = extent_set_add(space, loc.off, loc.space);
	}
	return r;
}

static int add_block(void *ctx, uint32_t block, uint32_t entry)
{
	struct vhd *v = ctx;
	int r = vhd_entry_check(v, block, entry);

	/* An entry beyond the disk's end may be invalid; if it is valid its
	 * block stays in use. */
	if (r < 0)
		return block < v->n_blocks ? r : 0;
	return extent_set_add(&v->space, (uint64_t)entry * VHD_SECTOR,
			      v->block_len);
}

int vhd_space_load(struct vhd *v)
{
	int r;

	if (v->space_loaded)
		return 0;
	extent_set_fini(&v->space);
	r = vhd_bat_scan(v, add_block, v);
	if (r == -EFBIG)
		r = fail(r, "%s: %s", v->img.io->name, error_text());
	extent_set_sort(&v->space);
	if (r == 0 && v->space.overlaps)
		r = fail_found(-EBADMSG, v->img.io->name,
			       "block allocation table", v->bat_off,
			       "blocks that do not overlap",
			       "two blocks that overlap at offset %" PRIu64,
			       v->space.overlap_off);
	if (r == 0)
		r = vhd_space_structures(v, &v->space);
	extent_set_sort(&v->space);
	v->search_from = 0;
	v->space_loaded = r == 0;
	return r;
}

void vhd_space_unload(struct vhd *v)
{
	extent_set_fini(&v->space);
	v->space_loaded = false;
}

int vhd_space_reclaim(struct vhd *v)
{
	struct extent_set *freed = &v->flushing.freed;
	int r;

	if (!atomic_load(&v->freed_durable))
		return 0;
	if (freed->n)
		v->search_from = min_u64(v->search_from, freed->used[0].off);
	r = extent_set_remove_all(&v->space, freed);
	if (r == -EBADMSG)
		r = fail(r, "%s: %s", v->img.io->name, error_text());
	if (r == 0)
		atomic_store(&v->freed_durable, false);
	return r;
}

/* Extends the file to end, and writes the footer behind it (O1). */
static int grow(struct vhd *v, uint64_t end)
{
	uint64_t footer_off = vhd_footer_offset(end);
	uint64_t old_size = v->file_size;
	int r = io_resize(v->img.io, footer_off + FOOTER_SIZE);

	if (r < 0)
		return r;
	v->file_size = footer_off + FOOTER_SIZE;
	r = io_write(v->img.io, v->footer, FOOTER_SIZE, footer_off);
	if (r == 0) {
		v->footer_off = footer_off;
		return 0;
	}
	r = vhd_fail_metadata(v, r);
	if (io_resize(v->img.io, old_size) == 0)
		v->file_size = old_size;
	return r;
}

/* Clears the part of a new block that was in the file before. */
static int clear_reused(struct vhd *v, const struct vhd_allocation *room)
{
	uint64_t end = min_u64(room->off + v->block_len, room->old_file_size);

	/* The bitmap is written later.  It usually is where the footer was. */
	if (end <= room->off + v->bitmap_size)
		return 0;
	return io_zero(v->img.io, room->off, end - room->off, false);
}

int vhd_space_alloc(struct vhd *v, struct vhd_allocation *ret)
{
	struct vhd_allocation room = { .old_file_size = v->file_size,
				       .old_footer_off = v->footer_off };
	uint64_t phase = round_up(v->bitmap_size, VHD_ALIGN) - v->bitmap_size;
	int r = extent_set_alloc(&v->space, v->block_len, VHD_ALIGN, phase,
				 v->search_from, VHD_FILE_MAX - VHD_ALIGN,
				 &room.off);

	if (r == -ENOSPC)
		return fail(
			-EFBIG,
			"%s: no space for another block: a VHD file has at most 2 TiB; use VHDX",
			v->img.io->name);
	if (r < 0)
		return r;
	if (room.off + v->block_len > v->footer_off)
		r = grow(v, room.off + v->block_len);
	if (r == 0)
		r = clear_reused(v, &room);
	if (r < 0) {
		vhd_space_alloc_undo(v, &room);
		return r;
	}
	v->search_from = room.off + v->block_len;
	*ret = room;
	return 0;
}

/*
 * Restores the file's old size.  If that fails the file is valid and too long,
 * and the next block uses the space.
 */
void vhd_space_alloc_undo(struct vhd *v, const struct vhd_allocation *room)
{
	struct error why = *error_last();

	/* Cannot fail: merging extents needs no memory. */
	(void)extent_set_remove(&v->space, room->off, v->block_len);
	v->search_from = min_u64(v->search_from, room->off);
	if (room->off + v->block_len <= room->old_footer_off) {
		(void)io_zero(v->img.io, room->off, v->block_len, false);
	} else if (v->footer_off != room->old_footer_off &&
		   io_write(v->img.io, v->footer, FOOTER_SIZE,
			    room->old_footer_off) == 0) {
		v->footer_off = room->old_footer_off;
		if (io_resize(v->img.io, room->old_file_size) == 0)
			v->file_size = room->old_file_size;
	}
	error_set(&why);
}

/* Whether the whole block, with its part beyond the disk's end, lies in the
 * file and overlaps no structure.  Some programs write a shorter last block. */
static bool is_complete(const struct vhd *v, uint64_t off)
{
	return off + v->block_len <= v->footer_off &&
	       !vhd_structure_in(v, off, v->block_len);
}

int vhd_space_free(struct vhd *v, uint64_t off)
{
	return is_complete(v, off)
		       ? extent_set_add(&v->freed, off, v->block_len)
		       : 0;
}

/* Marks [off, end) as used if it is free.  It is adjacent to a used extent, so
 * marking merges the two, which needs no memory and cannot fail. */
static bool claim(struct vhd *v, uint64_t off, uint64_t end)
{
	if (off >= end || end > v->footer_off ||
	    !extent_set_is_free(&v->space, off, end - off))
		return false;
	(void)extent_set_insert(&v->space, off, end - off);
	return true;
}

/*
 * A hole punch frees whole pages of the file system only: extends each freed
 * range by the free space up to the next freed range or page boundary.
 */
void vhd_space_widen_freed(struct vhd *v)
{
	struct extent_set *freed = &v->freed;

	extent_set_sort(freed);
	for (size_t i = 0; i < freed->n; i++) {
		struct range *range = &freed->used[i];
		uint64_t off = round_down(range->off, VHD_ALIGN);
		uint64_t end = round_up(range->end, VHD_ALIGN);

		if (i + 1 < freed->n)
			end = min_u64(end, range[1].off);
		if (claim(v, off, range->off))
			range->off = off;
		if (claim(v, range->end, end))
			range->end = end;
	}
	extent_set_sort(freed);
}
