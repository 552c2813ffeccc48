/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebase: a leaf gets other parents, or none, and shows what it showed.
 *
 * What the leaf stores needs no comparison: it is shown whatever is below.
 *
 * A leaf without a parent stores each block as a whole or not at all.  Zeros in
 * an allocated block take no space of the file where they are a hole.
 */
#include "config.h"

#include "chain/rebase.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/chain-internal.h"
#include "chain/difference.h"
#include "io/blocking.h"

#define STEP MIB(256) /* of one comparison, so that progress is reported */
#define PIECE KIB(64) /* is copied, or zeros */
#define FLUSH_BYTES MIB(128)

int chain_flush_copies(struct chain *chain, uint64_t copied, uint64_t *flushed)
{
	if (copied - *flushed < FLUSH_BYTES)
		return 0;
	*flushed = copied;
	return chain_flush(chain);
}

struct rebase {
	struct chain *chain;
	uint64_t *copied, flushed;
};

static int copy(void *arg, const struct difference *difference)
{
	struct rebase *rebase = arg;
	int r = chain_store_shown(rebase->chain, difference->a, difference->off,
				  difference->len);

	if (r < 0)
		return r;
	*rebase->copied += difference->len;
	return chain_flush_copies(rebase->chain, *rebase->copied,
				  &rebase->flushed);
}

/* The end of the range from off on, at most end, in which the leaf stores all
 * (*ret_stored) or nothing. */
static int find_end(struct chain *chain, uint64_t off, uint64_t end,
		    uint64_t *ret_end, bool *ret_stored)
{
	bool first = true, stored = false;
	struct chain_extent e;
	int r = 0;

	for (; off < end; off += e.len) {
		r = chain_map(chain, off, end - off, &e);
		if (r < 0 || (!first && (e.depth == 0) != stored))
			break;
		stored = e.depth == 0;
		first = false;
	}
	*ret_end = off;
	*ret_stored = stored;
	return r;
}

int chain_rebase_copy(struct chain *chain, struct chain *parent,
		      uint64_t *ret_copied, rebase_progress *progress,
		      void *arg)
{
	struct rebase rebase = { .chain = chain, .copied = ret_copied };
	uint64_t size = chain_size(chain), next;
	int r = 0;

	*ret_copied = 0;
	for (uint64_t off = 0; r == 0 && off < size; off = next) {
		bool stored;

		r = find_end(chain, off, min_u64(size, off + STEP), &next,
			     &stored);
		if (r == 0 && !stored)
			r = chain_differences(chain, parent, off, next, copy,
					      &rebase);
		if (r == 0 && progress)
			progress(arg, next);
	}
	return r;
}

struct completion {
	struct chain *chain;
	struct image *leaf;
	uint8_t *buf; /* PIECE bytes */
	uint64_t *copied;
};

/* Stores [off, end), which the leaf does not store, of one block.  allocated:
 * the leaf has the block; without, and if all is zeros, it stores nothing. */
static int complete_range(struct completion *c, uint64_t off, uint64_t end,
			  bool allocated)
{
	uint64_t zeros = off; /* where the zeros before off begin */
	int r = 0;

	while (r == 0 && off < end) {
		size_t n = min_u64(end - off, PIECE - off % PIECE);

		r = chain_read(c->chain, c->buf, off, n);
		if (r == 0 && !bytes_are_zero(c->buf, n)) {
			if (zeros < off)
				r = image_zero(c->leaf, zeros, off - zeros,
					       ZERO_PUNCH);
			if (r == 0)
				r = image_write(c->leaf, c->buf, off, n);
			if (r == 0)
				*c->copied += n;
			zeros = off + n;
			allocated = true;
		}
		off += n;
	}
	if (r == 0 && zeros < end && allocated)
		r = image_zero(c->leaf, zeros, end - zeros, ZERO_PUNCH);
	return r;
}

/* Completes the block at off, which the leaf has not allocated, or skips blocks
 * of zeros; [off, end) is not allocated.  *ret: the end of what is done. */
static int complete_unallocated(struct completion *c, uint64_t off,
				uint64_t end, uint64_t *ret)
{
	uint64_t block_size = c->leaf->block_size;
	struct chain_extent e;
	int r = chain_map(c->chain, off, end - off, &e);

	if (r < 0)
		return r;
	if (e.zero && off + e.len == end)
		*ret = end;
	else if (e.zero && e.len >= block_size)
		*ret = round_down(off + e.len, block_size);
	else
		*ret = min_u64(end, off + block_size);
	return e.zero && *ret <= off + e.len
		       ? 0
		       : complete_range(c, off, *ret, false);
}

/* *ret: the end of the leaf's first extent, or of a part of it that is done. */
static int complete_extent(struct completion *c, uint64_t off, uint64_t *ret)
{
	uint64_t len = min_u64(STEP, chain_size(c->chain) - off);
	struct extent e;
	int r = image_map_locked(c->leaf, off, len, &e);

	if (r < 0)
		return r;
	*ret = off + e.len;
	if (e.kind != EXTENT_PARENT)
		return 0;
	return e.file_off ? complete_range(c, off, *ret, true)
			  : complete_unallocated(c, off, *ret, ret);
}

int chain_complete(struct chain *chain, uint64_t *ret_copied,
		   rebase_progress *progress, void *arg)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	struct completion c = { .chain = chain,
				.leaf = chain_leaf(chain),
				.buf = buf,
				.copied = ret_copied };
	uint64_t size = chain_size(chain), next, flushed = 0;
	int r = buf ? 0 : fail(-ENOMEM, "out of memory");

	*ret_copied = 0;
	for (uint64_t off = 0; r == 0 && off < size; off = next) {
		r = complete_extent(&c, off, &next);
		if (r == 0)
			r = chain_flush_copies(chain, *ret_copied, &flushed);
		if (r == 0 && progress)
			progress(arg, next);
	}
	return r;
}

int chain_complete_step(struct chain *chain, uint64_t off, uint64_t *ret,
			uint64_t *copied)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	struct completion c = { .chain = chain,
				.leaf = chain_leaf(chain),
				.buf = buf,
				.copied = copied };
	int r;

	if (!buf)
		return fail(-ENOMEM, "out of memory");
	/* No write between the read of a piece and its copy. */
	io_wrlock(&chain->rmw_lock);
	r = complete_extent(&c, off, ret);
	pthread_rwlock_unlock(&chain->rmw_lock);
	return r;
}
