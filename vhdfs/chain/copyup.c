/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copy-up: on a synced first write, copy the surrounding 64 KiB from the
 * parents into the leaf.
 *
 * A first write that is synced costs two syncs of the file, because the data
 * must be durable before the table that refers to it.  A write in place costs
 * one.  After a copy-up the client's next writes to the same 64 KiB are in
 * place.  Readers see no difference, before or after a crash: the leaf then
 * stores what it read as before.
 *
 * A copy-up costs space in the leaf, at worst 64 KiB a write.  So it is done
 * only for a client that syncs after every write: there was one write only
 * between the last two flushes, and this is the first write since.
 */
#include "config.h"

#include "chain/copyup.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "chain/chain-internal.h"
#include "chain/parent-image.h"
#include "io/blocking.h"

/* Of one step of chain_copy_up, under the lock. */
#define STEP MIB(1)

enum {
	COPYUP_MAX = 64 << 10,
	/* So many writes between two flushes are not synced one by one. */
	MANY_WRITES = 2,
};

/* At most a block, so that a copy-up allocates no other block. */
static uint64_t copyup_size(const struct image *leaf)
{
	return leaf->block_size ? min_u64(leaf->block_size, COPYUP_MAX)
				: COPYUP_MAX;
}

/* Whether a part of [off, end) is not stored in the leaf. */
static bool has_unstored(struct image *leaf, uint64_t off, uint64_t end)
{
	while (off < end) {
		struct extent e;

		if (image_map_locked(leaf, off, end - off, &e) < 0)
			return false;
		if (e.kind == EXTENT_PARENT)
			return true;
		off += e.len;
	}
	return false;
}

/* Stores the bytes in the leaf; zeros without allocating a block. */
static int store(struct image *leaf, const void *buf, uint64_t off, size_t len)
{
	return bytes_are_zero(buf, len) ? image_zero(leaf, off, len, 0)
					: image_write(leaf, buf, off, len);
}

/* Copies what the leaf does not store of [off, end) from the parents, by put.
 * buf has room for the whole range; rmw_lock is held exclusively. */
static int copy_unstored(struct chain *chain, uint8_t *buf, uint64_t off,
			 uint64_t end,
			 int (*put)(struct image *leaf, const void *buf,
				    uint64_t off, size_t len))
{
	struct image *leaf = chain->images[0];

	while (off < end) {
		struct extent e;
		int r = image_map_locked(leaf, off, end - off, &e);

		if (r == 0 && e.kind == EXTENT_PARENT) {
			r = parent_image_read(chain->parent, leaf->io->name,
					      buf, off, e.len);
			if (r == 0)
				r = put(leaf, buf, off, e.len);
		}
		if (r < 0)
			return r;
		off += e.len;
	}
	return 0;
}

/* Counts a write: whether it is the first since a flush, and the client syncs
 * after every write. */
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
	       has_unstored(leaf, round_down(off, leaf->sector_size),
			    round_up(off + len, leaf->sector_size));
}

void copyup_finish(struct chain *chain, uint64_t off)
{
	struct image *leaf = chain->images[0];
	uint64_t size = copyup_size(leaf);
	uint64_t start = round_down(off, size);
	uint64_t end = min_u64(start + size, leaf->size);
	uint8_t *buf = malloc(end - start);

	if (!buf)
		return;
	io_wrlock(&chain->rmw_lock);
	if (copy_unstored(chain, buf, start, end, image_write) < 0)
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

int chain_copy_up(struct chain *chain, uint64_t off, uint64_t len)
{
	_cleanup_free_ uint8_t *buf = malloc(STEP);
	uint32_t sector_size = chain->images[0]->sector_size;
	uint64_t end = round_up(off + len, sector_size);
	int r = 0;

	if (!buf)
		return fail(-ENOMEM, "out of memory");
	off = round_down(off, sector_size);
	while (r == 0 && off < end) {
		uint64_t next = min_u64(end, off - off % STEP + STEP);

		io_wrlock(&chain->rmw_lock);
		r = copy_unstored(chain, buf, off, next, store);
		pthread_rwlock_unlock(&chain->rmw_lock);
		off = next;
	}
	return r;
}

/* Stores what the leaf does not store of [off, end).  rmw_lock is held
 * exclusively: a sector that is not stored now was not stored when shown was
 * read, and its bytes are those of the parents. */
static int store_unstored(struct image *leaf, const uint8_t *shown,
			  uint64_t off, uint64_t end)
{
	while (off < end) {
		struct extent e;
		int r = image_map_locked(leaf, off, end - off, &e);

		if (r == 0 && e.kind == EXTENT_PARENT)
			r = store(leaf, shown, off, e.len);
		if (r < 0)
			return r;
		shown += e.len;
		off += e.len;
	}
	return 0;
}

int chain_store_shown(struct chain *chain, const uint8_t *shown, uint64_t off,
		      uint64_t len)
{
	int r = 0;

	while (r == 0 && len) {
		uint64_t n = min_u64(len, STEP - off % STEP);

		io_wrlock(&chain->rmw_lock);
		r = store_unstored(chain->images[0], shown, off, off + n);
		pthread_rwlock_unlock(&chain->rmw_lock);
		shown += n;
		off += n;
		len -= n;
	}
	return r;
}
