/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Chain I/O: read, write, zero and map a leaf and its parents as one disk.
 *
 * READS map a range in the leaf and read it there under the leaf's lock, so
 * that the block cannot move between the two.  A range that the leaf does not
 * store is read from the parents without the leaf's lock, because parents do
 * not change; their block map is cached (map-cache.h).
 *
 * WRITES of whole sectors go to the leaf.  A write of part of a sector is a
 * read-modify-write of the merged disk, and no other write may come in between:
 * so aligned writes hold rmw_lock shared, others exclusively.
 *
 * ZEROS.  Only this file knows both the leaf and its parents: it checks whether
 * the parents read as zeros, and passes the result to the leaf (ZERO_BELOW).
 *
 * COPY-UP.  A client that syncs after every write: see copyup.c.
 *
 * Locks: see chain.h.
 */
#include "config.h"

#include "chain/chain.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/chain-internal.h"
#include "chain/copyup.h"
#include "chain/parent-image.h"
#include "io/blocking.h"

int chain_fail_replaced(const struct chain *chain)
{
	return fail(-ESTALE,
		    "%s: was replaced by another program while it was open "
		    "for writing; what was written since is lost; close it, "
		    "then open it again",
		    chain->images[0]->io->name);
}

struct image *chain_leaf(const struct chain *chain)
{
	return chain->images[0];
}

unsigned chain_depth(const struct chain *chain)
{
	return chain->depth;
}

struct image *chain_image(const struct chain *chain, unsigned depth)
{
	assert(depth <= chain->depth);
	return chain->images[depth];
}

const char *chain_path(const struct chain *chain, unsigned depth)
{
	const struct parent_image *entry = chain->parent;

	if (!depth)
		return chain->leaf_path;
	while (--depth)
		entry = entry->parent;
	return entry->path;
}

uint64_t chain_size(const struct chain *chain)
{
	return chain->images[0]->size;
}

/* Whether b, which follows a on the disk, also follows it in the same file. */
static bool continues(const struct chain_extent *a,
		      const struct chain_extent *b)
{
	return a->zero == b->zero && a->depth == b->depth && a->io == b->io &&
	       (a->zero || a->file_off + a->len == b->file_off);
}

/*
 * Changes a data extent into zeros where its file has a hole, or ends.  That
 * costs a system call, so reads do without it.
 */
static int find_holes(const struct chain *chain, struct chain_extent *e)
{
	uint32_t sector_size = chain->images[0]->sector_size;
	uint64_t n = e->len, file_size;
	bool data = false;
	int r;

	if (e->zero)
		return 0;
	r = io_size(e->io, &file_size);
	if (r == 0 && e->file_off < file_size)
		r = io_extent(e->io, e->file_off, &data, &n);
	if (r < 0)
		return r;
	n = data ? round_up(n, sector_size) : round_down(n, sector_size);
	/* A hole smaller than a sector is data. */
	if (!n) {
		data = true;
		n = sector_size;
	}
	e->len = min_u64(e->len, n);
	e->zero = !data;
	if (e->zero) {
		e->io = NULL;
		e->file_off = 0;
	}
	return 0;
}

/*
 * The first extent of whole sectors, with adjacent ones merged.  No lock is
 * held for the whole loop: a disk may be one extent of 64 TiB.
 */
static int map_joined(struct chain *chain, uint64_t off, uint64_t len,
		      struct chain_extent *ret)
{
	struct chain_extent whole = { 0 }, next;
	int r = 0;

	while (whole.len < len) {
		r = chain_map_layers(chain->images, chain->depth + 1,
				     off + whole.len, len - whole.len, &next);
		if (r == 0)
			r = find_holes(chain, &next);
		if (r < 0 || (whole.len && !continues(&whole, &next)))
			break;
		next.len += whole.len;
		if (whole.len)
			whole.len = next.len;
		else
			whole = next;
	}
	/* Return the extent before the error; the next call gets the error. */
	if (r < 0 && !whole.len)
		return r;
	*ret = whole;
	return 0;
}

int chain_map(struct chain *chain, uint64_t off, uint64_t len,
	      struct chain_extent *ret)
{
	uint32_t sector_size = chain->images[0]->sector_size;
	uint64_t start = round_down(off, sector_size);
	uint64_t end = round_up(off + len, sector_size);
	struct chain_extent e;
	int r;

	assert(len && range_within(off, len, chain_size(chain)));
	r = map_joined(chain, start, end - start, &e);
	if (r < 0)
		return r;
	e.len = min_u64(e.len - (off - start), len);
	if (!e.zero)
		e.file_off += off - start;
	*ret = e;
	return 0;
}

/* Reads the first extent of [off, off + len): the number of bytes. */
static ssize_t read_piece(struct chain *chain, uint8_t *buf, uint64_t off,
			  size_t len)
{
	struct image *leaf = chain->images[0];
	struct extent e;
	int r;

	/* Without a parent, EXTENT_PARENT reads as zeros. */
	image_lock_map(leaf);
	r = image_map(leaf, off, len, &e);
	if (r == 0 && e.kind == EXTENT_STORED)
		r = io_read_padded(leaf->io, buf, e.len, e.file_off);
	image_unlock_map(leaf);
	if (r == 0 && e.kind == EXTENT_ZERO)
		memset(buf, 0, e.len);
	else if (r == 0 && e.kind == EXTENT_PARENT)
		r = parent_image_read(chain->parent, leaf->io->name, buf, off,
				      e.len);
	return r < 0 ? r : (ssize_t)e.len;
}

/* Reads whole sectors, the unit that formats map. */
static int read_aligned(struct chain *chain, uint8_t *buf, uint64_t off,
			size_t len)
{
	while (len) {
		ssize_t n = read_piece(chain, buf, off, len);

		if (n < 0)
			return (int)n;
		buf += n;
		off += n;
		len -= n;
	}
	return 0;
}

enum { SECTOR_MAX = 4096 };

/*
 * Splits [off, off + len) into at most three pieces: part of a sector, whole
 * sectors, part of a sector.  Returns the length of the first piece, and
 * whether it is part of a sector.
 */
static size_t next_piece(uint32_t sector_size, uint64_t off, size_t len,
			 bool *ret_part)
{
	*ret_part = !is_aligned(off, sector_size) || len < sector_size;
	return *ret_part ? min_u64(len, sector_size - off % sector_size)
			 : round_down(len, sector_size);
}

static int read_part(struct chain *chain, uint8_t *buf, uint64_t off,
		     size_t len, uint32_t sector_size)
{
	uint8_t sector[SECTOR_MAX];
	uint64_t start = round_down(off, sector_size);
	int r = read_aligned(chain, sector, start, sector_size);

	if (r == 0)
		memcpy(buf, sector + (off - start), len);
	return r;
}

int chain_read(struct chain *chain, void *buf, uint64_t off, size_t len)
{
	uint32_t sector_size = chain->images[0]->sector_size;
	uint8_t *at = buf;
	bool part;

	assert(range_within(off, len, chain_size(chain)));
	if (chain->replaced)
		return chain_fail_replaced(chain);
	while (len) {
		size_t n = next_piece(sector_size, off, len, &part);
		int r = part ? read_part(chain, at, off, n, sector_size)
			     : read_aligned(chain, at, off, n);

		if (r < 0)
			return r;
		at += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Read-modify-write of part of a sector; buf null: zeros.  rmw_lock is held
 * exclusively. */
static int write_part(struct chain *chain, const uint8_t *buf, uint64_t off,
		      size_t len)
{
	uint32_t sector_size = chain->images[0]->sector_size;
	uint8_t sector[SECTOR_MAX];
	uint64_t start = round_down(off, sector_size);
	int r = read_aligned(chain, sector, start, sector_size);

	if (r < 0)
		return r;
	if (buf)
		memcpy(sector + (off - start), buf, len);
	else
		memset(sector + (off - start), 0, len);
	return image_write(chain->images[0], sector, start, sector_size);
}

/* 1 if all parents read as zeros in [off, off + len), 0 if not, or an error. */
static int parents_are_zero(struct chain *chain, uint64_t off, uint64_t len)
{
	while (len) {
		struct chain_extent e;
		int r = chain_map_layers(chain->images + 1, chain->depth, off,
					 len, &e);

		if (r == 0)
			r = find_holes(chain, &e);
		if (r < 0)
			return r;
		if (!e.zero)
			return 0;
		off += e.len;
		len -= e.len;
	}
	return 1;
}

/* Zeros whole sectors, one block at a time: the parents may have data below
 * one block and none below the next. */
static int zero_aligned(struct chain *chain, uint64_t off, uint64_t len,
			bool punch)
{
	struct image *leaf = chain->images[0];
	int flags = punch ? ZERO_PUNCH : 0;

	while (len) {
		uint64_t n = len;
		int r;

		if (chain->depth && leaf->block_size)
			n = min_u64(n,
				    leaf->block_size - off % leaf->block_size);
		r = atomic_load(&chain->keeps_zeros)
			    ? 0
			    : parents_are_zero(chain, off, n);
		if (r >= 0)
			r = image_zero(leaf, off, n,
				       flags | (r ? ZERO_BELOW : 0));
		if (r < 0)
			return r;
		off += n;
		len -= n;
	}
	return 0;
}

static void lock_rmw(struct chain *chain, bool aligned)
{
	if (aligned)
		io_rdlock(&chain->rmw_lock);
	else
		io_wrlock(&chain->rmw_lock);
}

/* The maximum that is changed in one piece: size_t may have 32 bits. */
static const uint64_t STEP_MAX = GIB(1);

/* Writes buf, or zeros if it is null, to a range of the disk. */
static int change(struct chain *chain, const uint8_t *buf, uint64_t off,
		  uint64_t len, bool punch)
{
	struct image *leaf = chain->images[0];
	bool part;
	int r = 0;

	lock_rmw(chain, is_aligned(off | len, leaf->sector_size));
	while (r == 0 && len) {
		size_t n = next_piece(leaf->sector_size, off,
				      min_u64(len, STEP_MAX), &part);

		if (part)
			r = write_part(chain, buf, off, n);
		else if (buf)
			r = image_write(leaf, buf, off, n);
		else
			r = zero_aligned(chain, off, n, punch);
		buf = buf ? buf + n : NULL;
		off += n;
		len -= n;
	}
	pthread_rwlock_unlock(&chain->rmw_lock);
	return r;
}

int chain_zero(struct chain *chain, uint64_t off, uint64_t len, bool punch)
{
	assert(range_within(off, len, chain_size(chain)));
	return change(chain, NULL, off, len, punch);
}

int chain_write(struct chain *chain, const void *buf, uint64_t off, size_t len)
{
	bool copyup;
	int r;

	assert(range_within(off, len, chain_size(chain)));
	if (chain->replaced)
		return chain_fail_replaced(chain);
	copyup = len && copyup_is_due(chain, off, len);
	r = change(chain, buf, off, len, false);
	if (r == 0 && copyup)
		copyup_finish(chain, off);
	return r;
}

int chain_flush(struct chain *chain)
{
	copyup_note_flush(chain);
	return image_flush(chain->images[0]);
}

int chain_end_writes(struct chain *chain)
{
	return image_end_writes(chain->images[0]);
}
