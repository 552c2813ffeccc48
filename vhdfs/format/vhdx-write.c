/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing and zeroing sectors of one block.
 *
 * These operations change data in the file, and BAT and bitmaps in memory;
 * vhdx-log-write.c writes the tables to disk.
 *
 *   state before    whole block written   part of it written
 *   NOT_PRESENT     FULLY_PRESENT         PARTIALLY_PRESENT in a child, else
 *                                         FULLY_PRESENT, the rest zeros
 *   ZERO, UNMAPPED, FULLY_PRESENT         FULLY_PRESENT, the rest zeros
 *   UNDEFINED
 *   PARTIALLY_      FULLY_PRESENT         PARTIALLY_PRESENT, more bits set
 *   PRESENT
 *   FULLY_PRESENT   FULLY_PRESENT         FULLY_PRESENT
 *
 * ORDER: read tables, allocate space, write data, set bits, set the BAT entry.
 * A failure between two steps leaves the disk unchanged.  Freed blocks are
 * zeroed at once: if a crash restores the old entry, it shows the zeros that
 * were asked for.
 */
#include "config.h"

#include "format/vhdx-internal.h"

/* Sectors of one block, and the block's BAT entry. */
struct piece {
	struct vhdx *v;
	uint64_t block, index; /* index in the BAT */
	uint64_t entry;
	uint64_t in_block, len;
	bool whole; /* the block, as far as it is on the disk */
};

static int piece_init(struct piece *p, struct vhdx *v, uint64_t off,
		      uint64_t len)
{
	p->v = v;
	p->block = off / v->img.block_size;
	p->index = vhdx_payload_index(v, p->block);
	p->in_block = off % v->img.block_size;
	p->len = len;
	p->whole = !p->in_block &&
		   (len == v->img.block_size || off + len == v->img.size);
	return vhdx_bat_get(v, p->index, &p->entry);
}

static bool is_child(const struct vhdx *v)
{
	return v->img.type == IMAGE_DIFFERENCING;
}

/* Sets the entry, and frees the space of the old one if it is another. */
static int set_entry(const struct piece *p, uint64_t off, unsigned state)
{
	uint64_t had = vhdx_bat_space(p->v, p->index, p->entry);
	uint64_t had_off = VHDX_BAT_OFFSET(p->entry);
	int r = vhdx_bat_set(p->v, p->index, off | state);

	if (r == 0 && had && had_off != off)
		vhdx_space_free(p->v, had_off, had);
	return r;
}

/* Marks the piece's sectors as stored in this image. */
static int set_bits(const struct piece *p)
{
	uint32_t sector_size = p->v->img.sector_size;
	struct bitmap bitmap;
	int r = vhdx_bitmap_of(p->v, p->block, &bitmap);

	return r < 0 ? r
		     : bitmap_fill(&bitmap, p->in_block / sector_size,
				   p->len / sector_size, true);
}

/* Allocates the sector bitmap of the block's chunk if there is none. */
static int ensure_bitmap(const struct piece *p)
{
	struct vhdx *v = p->v;
	uint64_t index = vhdx_bitmap_index(v, p->block), entry, off;
	int r = vhdx_bat_get(v, index, &entry);

	if (r < 0 || VHDX_BAT_STATE(entry) != VHDX_NOT_PRESENT)
		return r;
	r = vhdx_space_alloc(v, VHDX_BITMAP_SIZE, &off);
	return r < 0 ? r : vhdx_bat_set(v, index, off | VHDX_PRESENT);
}

/* Clears the block's bits, which are undefined while it is not present. */
static int clear_bits(const struct piece *p)
{
	uint64_t n = p->v->img.block_size / p->v->img.sector_size;
	struct bitmap bitmap;
	int r = ensure_bitmap(p);

	if (r == 0)
		r = vhdx_bitmap_of(p->v, p->block, &bitmap);
	return r < 0 ? r : bitmap_fill(&bitmap, 0, n, false);
}

/* Stores the block at off, where the file has zeros; the piece's data is buf,
 * or zeros if buf is null. */
static int store_block(const struct piece *p, const void *buf, uint64_t off)
{
	bool partial = is_child(p->v) && !p->whole &&
		       VHDX_BAT_STATE(p->entry) == VHDX_NOT_PRESENT;
	int r = 0;

	if (buf)
		r = io_write_chunked(p->v->img.io, buf, p->len,
				     off + p->in_block);
	if (r == 0 && partial)
		r = clear_bits(p);
	if (r == 0 && partial)
		r = set_bits(p);
	if (r < 0)
		return r;
	return set_entry(p, off, partial ? VHDX_PARTIAL : VHDX_PRESENT);
}

static int allocate(const struct piece *p, const void *buf)
{
	uint64_t off;
	int r = vhdx_space_alloc(p->v, p->v->img.block_size, &off);

	if (r < 0)
		return r;
	r = store_block(p, buf, off);
	if (r < 0)
		vhdx_space_alloc_undo(p->v, off, p->v->img.block_size);
	return r;
}

/* Writes into a block that is stored. */
static int write_stored(const struct piece *p, const void *buf)
{
	uint64_t off = VHDX_BAT_OFFSET(p->entry);
	int r = io_write_chunked(p->v->img.io, buf, p->len, off + p->in_block);

	if (r < 0 || VHDX_BAT_STATE(p->entry) == VHDX_PRESENT)
		return r;
	if (p->whole)
		return set_entry(p, off, VHDX_PRESENT);
	return set_bits(p);
}

static bool is_stored(uint64_t entry)
{
	return VHDX_BAT_STATE(entry) == VHDX_PRESENT ||
	       VHDX_BAT_STATE(entry) == VHDX_PARTIAL;
}

int vhdx_write(struct image *img, const void *buf, uint64_t off, size_t len)
{
	struct piece p;
	int r = piece_init(&p, vhdx_of(img), off, len);

	if (r < 0)
		return r;
	return is_stored(p.entry) ? write_stored(&p, buf) : allocate(&p, buf);
}

/* Frees the block; in a child, keeps the parent hidden. */
static int release(const struct piece *p, int flags)
{
	bool hide = is_child(p->v) && !(flags & ZERO_BELOW);
	int r = vhdx_space_zero(p->v, VHDX_BAT_OFFSET(p->entry),
				p->v->img.block_size, false);

	if (r < 0)
		return r;
	return set_entry(p, 0, hide ? VHDX_ZERO : VHDX_NOT_PRESENT);
}

static int zero_stored(const struct piece *p, int flags)
{
	struct vhdx *v = p->v;
	uint64_t off = VHDX_BAT_OFFSET(p->entry);
	bool punch = flags & ZERO_PUNCH && !v->leave_allocated;
	int r;

	if (p->whole && punch)
		return release(p, flags);
	r = vhdx_space_zero(v, off + p->in_block, p->len, !punch);
	if (r < 0 || VHDX_BAT_STATE(p->entry) == VHDX_PRESENT)
		return r;
	if (p->whole)
		return set_entry(p, off, VHDX_PRESENT);
	/* The parent's sectors are zeros: they need no bits. */
	if (flags & ZERO_BELOW)
		return 0;
	return set_bits(p);
}

static int zero_unstored(const struct piece *p, int flags)
{
	if (!is_child(p->v) || flags & ZERO_BELOW ||
	    VHDX_BAT_STATE(p->entry) != VHDX_NOT_PRESENT)
		return 0;
	return p->whole ? set_entry(p, 0, VHDX_ZERO) : allocate(p, NULL);
}

int vhdx_zero(struct image *img, uint64_t off, uint64_t len, int flags)
{
	struct piece p;
	int r = piece_init(&p, vhdx_of(img), off, len);

	if (r < 0)
		return r;
	return is_stored(p.entry) ? zero_stored(&p, flags)
				  : zero_unstored(&p, flags);
}
