/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * First writes of who syncs each of them.
 *
 * A first write that is synced costs two syncs of the file: the data must be
 * there before a table tells of it.  A write in place costs one.  So where a
 * client syncs one write after the other, a first write brings the rest of its
 * unit of 64 KiB along, as the parents have it, and the next ones there are in
 * place.  Nobody who reads can tell, neither before a crash nor after: the leaf
 * has then what it showed anyway.  It costs space in the leaf, at worst a unit
 * for each write; that is why nobody else's writes do it.
 */
#include "config.h"

#include "chain/chain-internal.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "format/image.h"
#include "io/blocking.h"

enum {
	COPYUP_MAX = 64 << 10,
	/* Writes between two flushes that are not one after the other. */
	MANY_WRITES = 2,
};

/* Not over a block's end: that would give the next one a place. */
static uint64_t copyup_size(const struct image *leaf)
{
	return leaf->block_size ? min_u64(leaf->block_size, COPYUP_MAX)
				: COPYUP_MAX;
}

/* The first piece of [off, end), as image_map has it. */
static int map_piece(struct image *leaf, uint64_t off, uint64_t end,
		     struct extent *ret)
{
	int r;

	image_lock_map(leaf);
	r = image_map(leaf, off, end - off, ret);
	image_unlock_map(leaf);
	return r;
}

/* Is something of [off, end) left to the parents? */
static bool lacks(struct image *leaf, uint64_t off, uint64_t end)
{
	while (off < end) {
		struct extent e;

		if (map_piece(leaf, off, end, &e) < 0)
			return false;
		if (e.kind == EXTENT_PARENT)
			return true;
		off += e.len;
	}
	return false;
}

/* Stores what of [off, end) is left to the parents; edge is held exclusively,
 * and buf has room for all of it. */
static int store_rest(struct chain *chain, uint8_t *buf, uint64_t off,
		      uint64_t end)
{
	struct image *leaf = chain->images[0];

	while (off < end) {
		struct extent e;
		int r = map_piece(leaf, off, end, &e);

		if (r == 0 && e.kind == EXTENT_PARENT) {
			r = chain_read_parents(chain, buf, off, e.len);
			if (r == 0)
				r = image_write(leaf, buf, off, e.len);
		}
		if (r < 0)
			return r;
		off += e.len;
	}
	return 0;
}

/* Counts a write: is it the first after a flush, by who syncs each? */
static bool syncs_each(struct chain *chain)
{
	return atomic_load(&chain->writes) < MANY_WRITES &&
	       atomic_fetch_add(&chain->writes, 1) + 1 < MANY_WRITES &&
	       atomic_load(&chain->syncs_each);
}

bool copyup_is_due(struct chain *chain, uint64_t off, size_t len)
{
	struct image *leaf = chain->images[0];
	uint64_t size = copyup_size(leaf);

	return chain->parent && syncs_each(chain) &&
	       off / size == (off + len - 1) / size &&
	       lacks(leaf, round_down(off, leaf->sector_size),
		     round_up(off + len, leaf->sector_size));
}

void copyup_finish(struct chain *chain, uint64_t off)
{
	uint64_t size = copyup_size(chain->images[0]);
	uint64_t start = round_down(off, size);
	uint64_t end = min_u64(start + size, chain_size(chain));
	uint8_t *buf = malloc(end - start);

	if (!buf)
		return;
	io_wrlock(&chain->rmw_lock);
	if (store_rest(chain, buf, start, end) < 0)
		atomic_store(&chain->syncs_each, false);
	pthread_rwlock_unlock(&chain->rmw_lock);
	free(buf);
}

void copyup_note_flush(struct chain *chain)
{
	unsigned writes = atomic_exchange(&chain->writes, 0);

	if (writes)
		atomic_store(&chain->syncs_each, writes < MANY_WRITES);
}
