/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes, zeros and flushes of a VHD.
 *
 * VHD has no log.  A crash does no harm because of the order in which writes
 * reach the disk, and because the footer copy at offset 0 does not change while
 * the file grows: at every moment one of both footers is valid.
 *
 * INVARIANTS of the file on disk, at every moment, and whichever unsynced
 * writes are lost
 *  1. A table entry refers to a block whose bitmap and data are complete.
 *  2. A set bit refers to a sector whose data is in the file.
 *  3. No space is referred to by two entries, or written as one block while an
 *     entry on disk refers to it as another block.
 *  4. If the disk's contents have changed since the image was opened, the
 *     footer that a reader uses has another id than it had then.
 *
 * ORDER
 *  O0  Before the first change after an open: see vhd-writable.c.
 *  O1  A new block: extend the file, write the footer at the new end, then the
 *      bitmap over the old footer, then the data.  Nothing refers to the block
 *      yet: a crash leaves a leak, and at worst no trailing footer; then the
 *      file is opened by the copy at offset 0, and vhd_begin_writes restores
 *      the footer.
 *  O2  A new sector in an old block: write the data, then set the bit, in
 *      memory only.
 *  O3  A block is freed: clear its entry, in memory only.  Its space stays used
 *      and keeps its contents.
 *  O4  flush_begin copies the dirty pages; later changes are for the next
 *      flush.
 *  O5  flush_finish writes the bitmaps of blocks to which no table on disk
 *      refers: they must be durable before O7 writes the entries (1).
 *  O6  First sync: data, new bitmaps, footer and file size are durable.
 *  O7  Write the other bitmaps (2), and the pages of the table.
 *  O8  Second sync.
 *  O9  Clear the blocks freed by O3; their space may be allocated again (3).
 *
 * A flush without dirty pages is one sync, done by image_flush.
 *
 * FAILED WRITES of a bitmap, footer or table make the image refuse all later
 * writes until it is opened again.  Exception: a lack of space in O1, because
 * nothing refers to the new block.
 *
 * FULL DISKS.  The space of a page of the table or of a bitmap is reserved
 * before the page is changed (table_cache_mark_dirty); the space of new blocks
 * and the footer is allocated by writing them.  So a lack of space is found
 * before anything refers to the block, and O5 and O7 need no space.
 *
 * At most VHD_DIRTY_MAX pages of 512 bytes are dirty in memory
 * (image.dirty_max).
 */
#include "config.h"

#include "format/vhd-internal.h"

static uint64_t block_start(const struct vhd *v, uint64_t off)
{
	return round_down(off, v->img.block_size);
}

/* The part of off's block that is on the disk. */
static uint64_t block_on_disk(const struct vhd *v, uint64_t off)
{
	return min_u64(v->img.block_size, v->img.size - block_start(v, off));
}

static bool is_whole(const struct vhd *v, uint64_t off, uint64_t len)
{
	return off == block_start(v, off) && len == block_on_disk(v, off);
}

/* Sets the bits of len bytes from within on, an offset in the block. */
static int mark_stored(struct vhd *v, uint64_t block_off, uint64_t within,
		       uint64_t len)
{
	struct bitmap bitmap = vhd_bitmap_at(v, block_off);

	return bitmap_fill(&bitmap, within / VHD_SECTOR, len / VHD_SECTOR,
			   true);
}

/* Writes a new block's bitmap, which allocates its space, and caches it. */
static int write_new_bitmap(struct vhd *v, uint64_t block_off,
			    const uint8_t *bits)
{
	int r = io_write(v->img.io, bits, v->bitmap_size, block_off);

	if (r < 0)
		return vhd_fail_metadata(v, r);
	r = extent_set_add(&v->fresh, block_off, v->bitmap_size);
	for (uint32_t at = 0; at < v->bitmap_size && r == 0; at += VHD_SECTOR) {
		struct table_page *page;

		r = table_cache_get_zeroed(&v->bitmaps, block_off + at, &page);
		if (r == 0)
			memcpy(page->data, bits + at, VHD_SECTOR);
	}
	return r;
}

/* The bitmap of a new block for len bytes at off. */
static void new_bits(const struct vhd *v, uint64_t off, uint64_t len,
		     uint8_t *bits)
{
	/* Windows and QEMU set all bits of a dynamic image's block. */
	if (v->img.type == IMAGE_DYNAMIC || is_whole(v, off, len))
		memset(bits, 0xff, div_up(v->img.block_size / VHD_SECTOR, 8));
	else
		bits_fill(bits, (off - block_start(v, off)) / VHD_SECTOR,
			  len / VHD_SECTOR, true, true);
}

/*
 * O1: allocates a block for len bytes of data at off; buf null: zeros.
 *
 * The data is written under the image's exclusive lock.  The order of writes
 * does not require that: nothing refers to the block before vhd_bat_set.  But a
 * write outside the lock would need a table of allocations in progress, for
 * other writes to the same block to wait on, and vhd_space_alloc_undo could not
 * shorten the file any more, because another block may follow.  And the gain is
 * small: in the page cache a write of 4 KiB takes 2 to 4 us, of 64 KiB 20 to
 * 27 us, of 1 MiB 0.3 ms, once for each block; all else here takes 5 to 20 us.
 */
static int allocate(struct vhd *v, const void *buf, uint64_t off, uint64_t len)
{
	_cleanup_free_ uint8_t *bits = calloc(1, v->bitmap_size);
	uint64_t within = off % v->img.block_size;
	struct vhd_allocation room;
	int r;

	if (!bits)
		return fail(-ENOMEM, "%s: out of memory", v->img.io->name);
	new_bits(v, off, len, bits);
	r = vhd_space_load(v);
	if (r == 0)
		r = vhd_space_reclaim(v);
	if (r == 0)
		r = vhd_space_alloc(v, &room);
	if (r < 0)
		return r;
	r = write_new_bitmap(v, room.off, bits);
	if (r == 0 && buf)
		r = io_write_chunked(v->img.io, buf, len,
				     room.off + v->bitmap_size + within);
	if (r == 0)
		r = vhd_bat_set(v, off / v->img.block_size,
				room.off / VHD_SECTOR);
	if (r < 0) {
		table_cache_drop(&v->bitmaps, room.off, v->bitmap_size);
		vhd_space_alloc_undo(v, &room);
	}
	return r;
}

/* O3: frees a block.  The entry is cleared first: if that fails after the space
 * is free, the next block would overwrite this one. */
static int free_block(struct vhd *v, uint64_t off, uint64_t block_off)
{
	int r = vhd_space_load(v);

	if (r == 0)
		r = vhd_bat_set(v, off / v->img.block_size, BAT_UNUSED);
	if (r < 0)
		return r;
	table_cache_drop(&v->bitmaps, block_off, v->bitmap_size);
	return vhd_space_free(v, block_off);
}

int vhd_write(struct image *img, const void *buf, uint64_t off, size_t len)
{
	struct vhd *v = vhd_of(img);
	uint64_t block_off, within;
	int r;

	if (!vhd_has_blocks(v))
		return io_write(img->io, buf, len, off);
	r = vhd_bat_get(v, off / img->block_size, &block_off);
	if (r < 0)
		return r;
	if (!block_off)
		return allocate(v, buf, off, len);
	/* O2, if the bitmap's page is clean (image_ops.bitmap).  The data is
	 * written under the exclusive lock: without it the block could be freed
	 * and allocated again before its bits are set. */
	within = off % img->block_size;
	r = io_write_chunked(img->io, buf, len,
			     block_off + v->bitmap_size + within);
	return r < 0 ? r : mark_stored(v, block_off, within, len);
}

/*
 * Writes zeros to a part of a block.  If the parents read as zeros too, bits
 * that are clear need not be set.
 */
static int zero_in_block(struct vhd *v, uint64_t block_off, uint64_t off,
			 uint64_t len, int flags)
{
	uint64_t within = off % v->img.block_size;
	bool hide = v->img.type == IMAGE_DIFFERENCING && !(flags & ZERO_BELOW);
	int r = io_zero(v->img.io, block_off + v->bitmap_size + within, len,
			!(flags & ZERO_PUNCH));

	if (r < 0 || !hide)
		return r;
	if (is_whole(v, off, len))
		len = v->img.block_size;
	return mark_stored(v, block_off, within, len);
}

int vhd_zero(struct image *img, uint64_t off, uint64_t len, int flags)
{
	struct vhd *v = vhd_of(img);
	uint64_t block_off;
	int r;

	/* A fixed image stays allocated. */
	if (!vhd_has_blocks(v))
		return io_zero(img->io, off, len, true);
	/* A dynamic image has no parent. */
	if (img->type == IMAGE_DYNAMIC)
		flags |= ZERO_BELOW;
	r = vhd_bat_get(v, off / img->block_size, &block_off);
	if (r < 0)
		return r;
	if (!block_off)
		return flags & ZERO_BELOW ? 0 : allocate(v, NULL, off, len);
	if (is_whole(v, off, len) && (flags & ZERO_PUNCH) &&
	    (flags & ZERO_BELOW))
		return free_block(v, off, block_off);
	return zero_in_block(v, block_off, off, len, flags);
}

/* O4 */
int vhd_flush_begin(struct image *img)
{
	struct vhd *v = vhd_of(img);
	struct vhd_flush *f = &v->flushing;
	int r;

	if (!vhd_has_blocks(v))
		return 0;
	r = vhd_space_reclaim(v);
	if (r < 0)
		return r;
	if (!v->bat.n_dirty && !v->bitmaps.n_dirty)
		return 0;
	r = table_cache_snapshot_dirty(&v->bitmaps, &f->bitmaps);
	if (r < 0)
		return r;
	r = table_cache_snapshot_dirty(&v->bat, &f->bat);
	if (r < 0) {
		table_cache_restore_dirty(&v->bitmaps, &f->bitmaps);
		return r;
	}
	extent_set_sort(&v->fresh);
	vhd_space_widen_freed(v);
	f->fresh = v->fresh;
	f->freed = v->freed;
	memset(&v->fresh, 0, sizeof v->fresh);
	memset(&v->freed, 0, sizeof v->freed);
	return 1;
}

/* Writes the copied bitmaps of new blocks, or those of all others. */
static int write_bitmaps(struct vhd *v, bool fresh)
{
	const struct vhd_flush *f = &v->flushing;
	const struct dirty_snapshot *snapshot = &f->bitmaps;
	int r = 0;

	/* Both lists are in ascending order. */
	for (size_t i = 0, k = 0; i < snapshot->n && r == 0; i++) {
		uint64_t off = snapshot->file_off[i];
		bool is_fresh;

		while (k < f->fresh.n && f->fresh.used[k].end <= off)
			k++;
		is_fresh = k < f->fresh.n && f->fresh.used[k].off <= off;
		if (is_fresh == fresh)
			r = io_write(v->img.io, snapshot->data + i * VHD_SECTOR,
				     VHD_SECTOR, off);
	}
	return r;
}

/* Writes the copied pages of the table, up to its last entry. */
static int write_bat(struct vhd *v)
{
	const struct dirty_snapshot *snapshot = &v->flushing.bat;
	uint64_t len = (uint64_t)v->n_entries * BAT_ENTRY;
	int r = 0;

	for (size_t i = 0; i < snapshot->n && r == 0; i++) {
		uint64_t off = snapshot->file_off[i];

		r = io_write(v->img.io, snapshot->data + i * VHD_SECTOR,
			     min_u64(VHD_SECTOR, len - off), v->bat_off + off);
	}
	return r;
}

/* O9.  A failure is harmless: the space is cleared again when allocated. */
static void clear_freed(struct vhd *v)
{
	const struct extent_set *freed = &v->flushing.freed;

	for (size_t i = 0; i < freed->n; i++)
		(void)io_zero(v->img.io, freed->used[i].off,
			      freed->used[i].end - freed->used[i].off, false);
}

int vhd_flush_finish(struct image *img)
{
	struct vhd *v = vhd_of(img);
	struct vhd_flush *f = &v->flushing;
	int r = write_bitmaps(v, true); /* O5 */

	if (r == 0)
		r = io_sync(img->io); /* O6 */
	if (r == 0)
		r = write_bitmaps(v, false); /* O7 */
	if (r == 0)
		r = write_bat(v);
	if (r == 0)
		r = io_sync(img->io); /* O8 */
	if (r == 0) {
		table_cache_written(&v->bitmaps, f->bitmaps.gen);
		table_cache_written(&v->bat, f->bat.gen);
	}
	dirty_snapshot_fini(&f->bitmaps);
	dirty_snapshot_fini(&f->bat);
	extent_set_fini(&f->fresh);
	if (r < 0)
		return r;
	clear_freed(v); /* O9 */
	atomic_store(&v->freed_durable, true);
	return 0;
}
