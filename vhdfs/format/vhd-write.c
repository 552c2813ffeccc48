/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing.  VHD has no log; what keeps a crash harmless is the order in which
 * things reach the disk, and that the copy of the footer at 0 never changes
 * while the file grows, so that there is always one to open it by.
 *
 * INVARIANTS of the disk, at every moment and whatever of the unsynced writes
 * is lost
 *  1. A table entry names a block whose bitmap and data are whole.
 *  2. A set bit names a sector whose data is there.
 *  3. No place is named by two entries, nor written as one block while an
 *     entry on disk still names it as another.
 *  4. Where the disk is not as it was when the image was opened, the footer
 *     that a reader takes has another id than it had then.
 *
 * ORDER
 *  O0  Before the first change after an open: what vhd-writable.c says.
 *  O1  A new block: the file is extended, the footer written at the new end,
 *      then the bitmap where the old footer was, then the data.  Nothing
 *      refers to it: a crash leaves a leak, and at worst no footer at the end;
 *      the copy at 0 opens the file and vhd_begin_writes puts the footer back.
 *  O2  A sector new in an old block: its data.  Its bit is set in memory only,
 *      after that.
 *  O3  A block that is not used any more: its entry is cleared in memory only.
 *      Its place stays used, and is not cleared.
 *  O4  flush_begin copies the dirty pages; what is changed later belongs to the
 *      next flush.
 *  O5  flush_finish writes the bitmaps of blocks that no table on disk names:
 *      they must be whole before O7 names them (1).
 *  O6  First sync: data, new bitmaps, footer, and the file's size are durable.
 *  O7  The other bitmaps and the table's pages are written (2).
 *  O8  Second sync.
 *  O9  What O3 gave up is cleared, and may be used again (3).
 *
 * A flush of nothing but data in its place is one sync, made by image_flush.
 *
 * FAILED WRITES of a bitmap, footer or table make the image refuse all others
 * until it is opened again, but for those that found no room in O1: nothing
 * refers to what they would have written.
 *
 * FULL DISKS.  The space of a table's page or a bitmap is reserved before the
 * page is changed (table_cache_mark_dirty), that of new blocks and the footer
 * is taken by writing them: what has no room fails before anything refers to
 * it, and O5 and O7 need none.
 *
 * At most DIRTY_MAX pages of 512 bytes wait in memory for a flush; then the
 * write that made one more asks for one.
 */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/vhd-internal.h"

enum { DIRTY_MAX = 4096 };

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

/* The first of n bits from first that lie in one byte: a mask of them, and
 * their number. */
static uint8_t bits_in_byte(uint32_t first, uint32_t n, uint32_t *ret_part)
{
	unsigned at = first % 8;

	*ret_part = min_u64(n, 8 - at);
	return (uint8_t)(0xff << (8 - *ret_part)) >> at;
}

static bool all_set(const uint8_t *bits, uint32_t first, uint32_t n)
{
	for (uint32_t part; n; first += part, n -= part) {
		uint8_t mask = bits_in_byte(first, n, &part);

		if ((bits_load(&bits[first / 8]) & mask) != mask)
			return false;
	}
	return true;
}

/* Beside others, see vhd_set_allocated, or alone. */
static void set_bits(uint8_t *bits, uint32_t first, uint32_t n)
{
	for (uint32_t part; n; first += part, n -= part)
		bits_set(&bits[first / 8], bits_in_byte(first, n, &part));
}

/* Marks len bytes from within, a place in the block, as stored. */
static int mark_stored(struct vhd *v, uint64_t block_off, uint64_t within,
		       uint64_t len)
{
	enum { PAGE_BYTES = VHD_SECTOR * 8 * VHD_SECTOR };
	uint64_t end = within + len;

	while (within < end) {
		uint64_t base = within - within % PAGE_BYTES;
		uint64_t stop = min_u64(end, base + PAGE_BYTES);
		uint32_t first = (within - base) / VHD_SECTOR;
		uint32_t n = (stop - within) / VHD_SECTOR;
		struct table_page *page;
		int r = table_cache_get(
			&v->bitmaps, block_off + base / PAGE_BYTES * VHD_SECTOR,
			&page);

		if (r == 0 && !all_set(page->data, first, n))
			r = table_cache_mark_dirty(&v->bitmaps, page);
		if (r < 0)
			return r;
		set_bits(page->data, first, n);
		within = stop;
	}
	return 0;
}

bool vhd_can_set_allocated(struct image *img, uint64_t off, uint64_t len)
{
	enum { PAGE_BITS = VHD_SECTOR * 8 };
	struct vhd *v = vhd_of(img);
	uint32_t first = off % img->block_size / VHD_SECTOR;
	uint32_t n = len / VHD_SECTOR;
	uint64_t block_off;

	if (vhd_bat_get(v, off / img->block_size, &block_off) < 0 || !block_off)
		return false;
	while (n) {
		uint32_t at = first % PAGE_BITS;
		uint32_t part = min_u64(n, PAGE_BITS - at);
		struct table_page *page;

		/* Setting bits of a dirty page changes nothing else of it. */
		if (table_cache_get(&v->bitmaps, block_off + (first - at) / 8,
				    &page) < 0 ||
		    !page->dirty)
			return false;
		first += part;
		n -= part;
	}
	return true;
}

void vhd_set_allocated(struct image *img, uint64_t off, uint64_t len)
{
	struct vhd *v = vhd_of(img);
	uint64_t block_off;
	int r = vhd_bat_get(v, off / img->block_size, &block_off);

	if (r == 0)
		r = mark_stored(v, block_off, off % img->block_size, len);
	assert(r == 0);
	(void)r;
}

static int set_entry(struct vhd *v, uint32_t block, uint32_t entry)
{
	struct table_page *page;
	int r = table_cache_get(&v->bat,
				(uint64_t)block / BAT_PAGE_ENTRIES * VHD_SECTOR,
				&page);

	if (r == 0)
		r = table_cache_mark_dirty(&v->bat, page);
	if (r < 0)
		return r;
	put_be32(page->data + block % BAT_PAGE_ENTRIES * BAT_ENTRY, entry);
	return 0;
}

/* Puts a new block's bitmap on disk, which claims its space, and in memory. */
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

/* The bits of a new block that stores len bytes from within. */
static void new_bits(const struct vhd *v, uint64_t off, uint64_t len,
		     uint8_t *bits)
{
	/* Windows and QEMU set all bits of a dynamic image's block. */
	if (v->img.type == IMAGE_DYNAMIC || is_whole(v, off, len))
		memset(bits, 0xff, div_up(v->img.block_size / VHD_SECTOR, 8));
	else
		set_bits(bits, (off - block_start(v, off)) / VHD_SECTOR,
			 len / VHD_SECTOR);
}

/* O1: a block for off, with data there, or zeros where buf is null. */
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
		r = set_entry(v, off / v->img.block_size,
			      room.off / VHD_SECTOR);
	if (r < 0) {
		table_cache_drop(&v->bitmaps, room.off, v->bitmap_size);
		vhd_space_alloc_undo(v, &room);
	}
	return r;
}

/* O3: were the place given up first and the entry not changed, the next block
 * would be written over this one. */
static int forget(struct vhd *v, uint64_t off, uint64_t block_off)
{
	int r = vhd_space_load(v);

	if (r == 0)
		r = set_entry(v, off / v->img.block_size, BAT_UNUSED);
	if (r < 0)
		return r;
	table_cache_drop(&v->bitmaps, block_off, v->bitmap_size);
	return vhd_space_free(v, block_off);
}

/* 1 asks for a flush, see image.h. */
static int done(const struct vhd *v, int r)
{
	return r < 0 ? r : v->bat.n_dirty + v->bitmaps.n_dirty > DIRTY_MAX;
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
	within = off % img->block_size;
	if (!block_off) {
		r = allocate(v, buf, off, len);
	} else {
		/* O2 */
		r = io_write_chunked(img->io, buf, len,
				     block_off + v->bitmap_size + within);
		if (r == 0)
			r = mark_stored(v, block_off, within, len);
	}
	return done(v, r);
}

/*
 * Zeros in a block that stays.  Where only zeros can show through, a clear bit
 * is as good as a set one.
 */
static int zero_within(struct vhd *v, uint64_t block_off, uint64_t off,
		       uint64_t len, int flags)
{
	uint64_t within = off % v->img.block_size;
	bool shows = v->img.type == IMAGE_DIFFERENCING && !(flags & ZERO_BELOW);
	int r = io_zero(v->img.io, block_off + v->bitmap_size + within, len,
			!(flags & ZERO_PUNCH));

	if (r < 0 || !shows)
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

	/* A fixed image keeps its space. */
	if (!vhd_has_blocks(v))
		return io_zero(img->io, off, len, true);
	/* A dynamic image has nothing below that could show. */
	if (img->type == IMAGE_DYNAMIC)
		flags |= ZERO_BELOW;
	r = vhd_bat_get(v, off / img->block_size, &block_off);
	if (r < 0)
		return r;
	if (!block_off)
		r = flags & ZERO_BELOW ? 0 : allocate(v, NULL, off, len);
	else if (is_whole(v, off, len) && (flags & ZERO_PUNCH) &&
		 (flags & ZERO_BELOW))
		r = forget(v, off, block_off);
	else
		r = zero_within(v, block_off, off, len, flags);
	return done(v, r);
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

/* Writes the bitmaps that are, or are not, of fresh blocks. */
static int write_bitmaps(struct vhd *v, bool fresh)
{
	const struct vhd_flush *f = &v->flushing;
	const struct dirty_snapshot *snapshot = &f->bitmaps;
	int r = 0;

	/* Both are ascending. */
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

/* The table's pages, and nothing of what may follow its last entry. */
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

/* O9: where it cannot be cleared it is only not given back yet. */
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

void vhd_write_fini(struct vhd *v)
{
	dirty_snapshot_fini(&v->flushing.bitmaps);
	dirty_snapshot_fini(&v->flushing.bat);
	extent_set_fini(&v->flushing.fresh);
	extent_set_fini(&v->flushing.freed);
	extent_set_fini(&v->space);
	extent_set_fini(&v->fresh);
	extent_set_fini(&v->freed);
}
