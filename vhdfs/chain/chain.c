/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading and writing a leaf and its parents as one disk.
 *
 * READS ask the leaf where a piece is, under the leaf's lock, and read it there
 * if it is the leaf's own: between the answer and the read nothing may move.
 * What the leaf leaves to its parents is read without its lock, for they never
 * change; where they have it is asked of them once (map-cache.h).
 *
 * WRITES of whole sectors go to the leaf as they are.  A sector that is written
 * in part is read from the merged view, patched and written whole, and no other
 * write may come in between: so writes that are aligned hold `edge` shared,
 * others exclusively.
 *
 * ZEROS.  Whether anything would show through a hole in the leaf is known here
 * alone, so this file asks the parents and tells the leaf (ZERO_BELOW).
 *
 * SYNCS.  What a client that syncs each little write gets besides: copyup.c.
 *
 * Locks, in the order in which they are taken: edge, then the lock of one
 * image.
 */
#include "config.h"

#include "chain/chain-internal.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/parent-cache.h"
#include "chain/map-cache.h"
#include "chain/lock-upgrade.h"
#include "chain/chain-map.h"
#include "io/blocking.h"

int chain_upgrade_lock(struct chain *chain, const char *path)
{
	struct image *leaf = chain->images[0];

	/* It was open for writing before, and was not written since. */
	if (leaf->writable)
		return io_lock(leaf->io, IO_LOCK_EXCLUSIVE);
	return lock_upgrade(parent_cache_store(chain->cache), path,
			    &chain->images[0]);
}

int chain_downgrade_lock(struct chain *chain)
{
	struct image *leaf = chain->images[0];
	int r = image_end_writes(leaf);

	if (r == 0)
		r = io_file_stamp(leaf->io, &chain->stamp);
	return r < 0 ? r : io_lock(leaf->io, IO_LOCK_SHARED);
}

const struct file_stamp *chain_stamp(const struct chain *chain)
{
	return &chain->stamp;
}

void chain_abandon(struct chain *chain)
{
	/* A format writes nothing to an image that has failed. */
	atomic_store(&chain->images[0]->failed, -ESTALE);
	chain_close(chain);
}

static int fail_leaf_replaced(const struct chain *chain)
{
	return fail(-ESTALE,
		    "%s: was replaced by another program while it was open "
		    "for writing; what was written since is lost; close it, "
		    "then open it again",
		    chain->images[0]->io->name);
}

int chain_check_leaf(struct chain *chain)
{
	struct image *leaf = chain->images[0];

	if (chain->replaced || parent_image_matches_file(leaf) != 0)
		return 0;
	chain->replaced = true;
	return image_fail(leaf, fail_leaf_replaced(chain));
}

/* A change of attributes alone leaves what is in memory true. */
static bool leaf_is_current(struct chain *chain)
{
	struct image *leaf = chain->images[0];
	struct file_stamp now;

	if (io_file_stamp(leaf->io, &now) < 0 ||
	    file_stamp_same(&chain->stamp, &now))
		return true;
	if (!file_stamp_same_data(&chain->stamp, &now) ||
	    parent_image_matches_file(leaf) == 0)
		return false;
	chain->stamp = now;
	return true;
}

bool chain_is_current(struct chain *chain)
{
	return leaf_is_current(chain) &&
	       parent_cache_is_current(chain->cache, chain->parent);
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

/* Does b, which comes right after a on the disk, go on where a ends? */
static bool continues(const struct chain_extent *a,
		      const struct chain_extent *b)
{
	return a->zero == b->zero && a->depth == b->depth && a->io == b->io &&
	       (a->zero || a->file_off + a->len == b->file_off);
}

/*
 * Data that lies in a hole of its file is zeros, and so is what a file that is
 * too short lacks.  Finding out costs a call, so it is not done to read.
 */
static int refine(const struct chain *chain, struct chain_extent *e)
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
	/* A hole that is no whole sector is none. */
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
 * The first extent of whole sectors, with neighbours joined.  No lock is held
 * all the while: a disk may be one extent of 64 TiB.
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
			r = refine(chain, &next);
		if (r < 0 || (whole.len && !continues(&whole, &next)))
			break;
		next.len += whole.len;
		if (whole.len)
			whole.len = next.len;
		else
			whole = next;
	}
	/* What came before a failure is told; the next call meets it again. */
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

static int fail_replaced(const struct chain *chain)
{
	return fail(-ESTALE,
		    "%s: a parent was replaced by another image while it was "
		    "in use; restore the parent, then open the image again",
		    chain->images[0]->io->name);
}

int chain_read_parents(struct chain *chain, uint8_t *buf, uint64_t off,
		       size_t len)
{
	if (chain->parent && atomic_load_explicit(&chain->parent->replaced,
						  memory_order_relaxed))
		return fail_replaced(chain);
	while (len) {
		struct map_cache_extent e = { .len = len };
		int r = 0;

		/* Without a parent what the leaf does not have is zeros. */
		if (chain->parent)
			r = map_cache_lookup(chain->parent->map, off, len, &e);
		if (r < 0)
			return r;
		if (!e.io)
			memset(buf, 0, e.len);
		else
			r = io_read_padded(e.io, buf, e.len, e.file_off);
		if (r < 0)
			return r;
		buf += e.len;
		off += e.len;
		len -= e.len;
	}
	return 0;
}

/* Reads the first piece: the number of bytes. */
static ssize_t read_piece(struct chain *chain, uint8_t *buf, uint64_t off,
			  size_t len)
{
	struct image *leaf = chain->images[0];
	struct extent e;
	int r;

	image_lock_map(leaf);
	r = image_map(leaf, off, len, &e);
	if (r == 0 && e.kind == EXTENT_HERE)
		r = io_read_padded(leaf->io, buf, e.len, e.file_off);
	image_unlock_map(leaf);
	if (r == 0 && e.kind == EXTENT_ZERO)
		memset(buf, 0, e.len);
	else if (r == 0 && e.kind == EXTENT_PARENT)
		r = chain_read_parents(chain, buf, off, e.len);
	return r < 0 ? r : (ssize_t)e.len;
}

/*
 * Whole sectors of the leaf only: drivers answer for those.  What begins or
 * ends inside a sector is read through a sector's buffer.
 */
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

/* How much of [off, off + len) lies in the sector that off is in. */
static size_t within_sector(uint32_t sector_size, uint64_t off, size_t len)
{
	return min_u64(len, sector_size - off % sector_size);
}

/*
 * Goes through [off, off + len) as an edge in part, whole sectors, and an edge
 * in part again, whichever there are.  Returns the length of the next such
 * piece, and whether it is a part of a sector.
 */
static size_t next_piece(uint32_t sector_size, uint64_t off, size_t len,
			 bool *ret_part)
{
	*ret_part = !is_aligned(off, sector_size) || len < sector_size;
	return *ret_part ? within_sector(sector_size, off, len)
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
		return fail_leaf_replaced(chain);
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

/* buf null: zeros. edge is held exclusively. */
static int write_part(struct chain *chain, const uint8_t *buf, uint64_t off,
		      size_t len, uint32_t sector_size)
{
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

/* Do all parents read zeros there? */
static int zero_below(struct chain *chain, uint64_t off, uint64_t len)
{
	while (len) {
		struct chain_extent e;
		int r = chain_map_layers(chain->images + 1, chain->depth, off,
					 len, &e);

		if (r == 0)
			r = refine(chain, &e);
		if (r < 0)
			return r;
		if (!e.zero)
			return 0;
		off += e.len;
		len -= e.len;
	}
	return 1;
}

/* Whole sectors, a block at a time: what lies below each may differ. */
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
		r = zero_below(chain, off, n);
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

static void lock_edge(struct chain *chain, bool aligned)
{
	if (aligned)
		io_rdlock(&chain->rmw_lock);
	else
		io_wrlock(&chain->rmw_lock);
}

/* The most that is zeroed in one piece: size_t may be small. */
static const uint64_t ZERO_STEP = GIB(1);

int chain_zero(struct chain *chain, uint64_t off, uint64_t len, bool punch)
{
	uint32_t sector_size = chain->images[0]->sector_size;
	bool part;
	int r = 0;

	assert(range_within(off, len, chain_size(chain)));
	lock_edge(chain, is_aligned(off | len, sector_size));
	while (r == 0 && len) {
		size_t n = next_piece(sector_size, off, min_u64(len, ZERO_STEP),
				      &part);

		r = part ? write_part(chain, NULL, off, n, sector_size)
			 : zero_aligned(chain, off, n, punch);
		off += n;
		len -= n;
	}
	pthread_rwlock_unlock(&chain->rmw_lock);
	return r;
}

int chain_write(struct chain *chain, const void *buf, uint64_t off, size_t len)
{
	uint64_t start = off;
	uint32_t sector_size = chain->images[0]->sector_size;
	const uint8_t *at = buf;
	bool part, completes;
	int r = 0;

	assert(range_within(off, len, chain_size(chain)));
	if (chain->replaced)
		return fail_leaf_replaced(chain);
	completes = len && copyup_is_due(chain, off, len);
	lock_edge(chain, is_aligned(off | len, sector_size));
	while (r == 0 && len) {
		size_t n = next_piece(sector_size, off, len, &part);

		r = part ? write_part(chain, at, off, n, sector_size)
			 : image_write(chain->images[0], at, off, n);
		at += n;
		off += n;
		len -= n;
	}
	pthread_rwlock_unlock(&chain->rmw_lock);
	if (r == 0 && completes)
		copyup_finish(chain, start);
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
