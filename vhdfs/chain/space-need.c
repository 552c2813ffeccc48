/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Space need: how much space of the file system a change of a disk takes. */
#include "config.h"

#include "chain/space-need.h"

#include "base/bytes.h"
#include "chain/chain.h"

/* A page of a table, which a change of an entry may take. */
#define TABLE_PAGE KIB(4)

/* Adds what the file lacks of [off, off + len), an offset in the file. */
static int add_stored(struct io *io, uint64_t off, uint64_t len,
		      struct space_need *need)
{
	while (len) {
		enum io_space space;
		uint64_t n;
		int r = io_space(io, off, len, &space, &n);

		if (r < 0)
			return r;
		if (space == IO_SPACE_NONE)
			need->file += n;
		if (space != IO_SPACE_OWN)
			need->fs += n;
		off += n;
		len -= n;
	}
	return 0;
}

static void add_new(uint64_t len, struct space_need *need)
{
	need->file += len;
	need->fs += len;
}

/* Adds what zeroing takes where the leaf stores nothing: none where the parents
 * read as zeros. */
static int add_hidden(struct chain *chain, uint64_t off, uint64_t len,
		      struct space_need *need)
{
	while (len) {
		struct chain_extent e;
		int r = chain_map(chain, off, len, &e);

		if (r < 0)
			return r;
		if (!e.zero)
			add_new(min_u64(e.len, TABLE_PAGE), need);
		off += e.len;
		len -= e.len;
	}
	return 0;
}

static int add_extent(struct chain *chain, uint64_t off, const struct extent *e,
		      enum space_change change, struct space_need *need)
{
	if (e->kind == EXTENT_STORED)
		return add_stored(chain_leaf(chain)->io, e->file_off, e->len,
				  need);
	if (change == SPACE_WRITE)
		add_new(e->len, need);
	else if (e->kind == EXTENT_PARENT)
		return add_hidden(chain, off, e->len, need);
	return 0;
}

int chain_space_need(struct chain *chain, uint64_t off, uint64_t len,
		     enum space_change change, struct space_need *ret)
{
	struct image *leaf = chain_leaf(chain);
	uint64_t end = round_up(off + len, leaf->sector_size);
	int r = 0;

	*ret = (struct space_need){ 0 };
	off = round_down(off, leaf->sector_size);
	while (r == 0 && off < end) {
		struct extent e;

		r = image_map_locked(leaf, off, end - off, &e);
		if (r == 0)
			r = add_extent(chain, off, &e, change, ret);
		off += e.len;
	}
	return r;
}
