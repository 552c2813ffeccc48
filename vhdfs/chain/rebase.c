/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebase: a leaf gets other parents, and shows what it showed.
 *
 * What the leaf stores needs no comparison: it is shown whatever is below.
 */
#include "config.h"

#include "chain/rebase.h"

#include "base/bytes.h"
#include "chain/difference.h"

#define STEP MIB(256) /* of one comparison, so that progress is reported */

struct rebase {
	struct chain *chain;
	uint64_t *copied;
};

static int copy(void *arg, const struct difference *difference)
{
	struct rebase *rebase = arg;
	int r = chain_copy_up(rebase->chain, difference->off, difference->len);

	if (r == 0)
		*rebase->copied += difference->len;
	return r;
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
