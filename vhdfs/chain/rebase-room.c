/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The room that the copies of a rebase need.
 *
 * A copy to a block that the leaf's file has takes space where the file has a
 * hole.  A copy to another block takes space for the block's bitmap, too; the
 * rest of the block is a hole.
 */
#include "config.h"

#include "chain/rebase-room.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/difference.h"
#include "format/image.h"
#include "io/io.h"

#define STEP MIB(256) /* of one comparison, so that progress is reported */
#define PIECE KIB(64) /* that chain_complete copies, or takes for zeros */

struct room {
	struct chain *chain, *parent;
	struct image *leaf;
	bool compare;
	uint8_t *buf;          /* PIECE bytes */
	uint64_t unit, bitmap; /* bytes; bitmap: of one block, in whole units */
	uint64_t bytes;        /* counted */
	/* One more than the number of the last unit that was counted, in new
	 * blocks and in the file; of the last new block. */
	uint64_t disk_units, file_units, blocks;
};

static void add_units(struct room *room, uint64_t *last, uint64_t off,
		      uint64_t len)
{
	uint64_t first = off / room->unit;
	uint64_t end = round_up(off + len, room->unit) / room->unit;

	first += first + 1 == *last;
	if (end > first)
		room->bytes += (end - first) * room->unit;
	*last = end;
}

static void add_to_new_blocks(struct room *room, uint64_t off, uint64_t len)
{
	uint64_t size = room->leaf->block_size;
	uint64_t first = max_u64(off / size, room->blocks);
	uint64_t end = round_up(off + len, size) / size;

	add_units(room, &room->disk_units, off, len);
	if (end > first)
		room->bytes += (end - first) * room->bitmap;
	room->blocks = max_u64(end, room->blocks);
}

/* off: in the file.  What lies behind its end is a hole. */
static int add_to_holes(struct room *room, uint64_t off, uint64_t len)
{
	uint64_t end = off + len, size, n;
	int r = io_size(room->leaf->io, &size);

	for (; r == 0 && off < end; off += n) {
		bool data = false;

		n = end - off;
		if (off < size) {
			r = io_extent(room->leaf->io, off, &data, &n);
			n = max_u64(1, min_u64(n, end - off));
		}
		if (r == 0 && !data)
			add_units(room, &room->file_units, off, n);
	}
	return r;
}

/* A range that is copied. */
static int add(struct room *room, uint64_t off, uint64_t len)
{
	struct extent e;
	int r = 0;

	for (; r == 0 && len; off += e.len, len -= e.len) {
		r = image_map_locked(room->leaf, off, len, &e);
		if (r < 0)
			break;
		if (!e.file_off)
			add_to_new_blocks(room, off, e.len);
		else if (e.kind != EXTENT_STORED)
			r = add_to_holes(room, e.file_off, e.len);
	}
	return r;
}

static int add_difference(void *arg, const struct difference *difference)
{
	return add(arg, difference->off, difference->len);
}

static int add_unequal_maps(struct room *room, uint64_t off, uint64_t end)
{
	struct chain_extent a, b;
	bool equal;
	int r = 0;

	for (; r == 0 && off < end; off += a.len) {
		r = chain_map_both(room->chain, room->parent, off, end - off,
				   &a, &b, &equal);
		if (r == 0 && !equal)
			r = add(room, off, a.len);
	}
	return r;
}

/* A range that one of the parents stores. */
static int add_if_not_zero(struct room *room, uint64_t off, uint64_t len)
{
	int r = 0;

	if (!room->compare)
		return add(room, off, len);
	for (uint64_t end = off + len; r == 0 && off < end;) {
		size_t n = min_u64(end - off, PIECE - off % PIECE);

		r = chain_read(room->chain, room->buf, off, n);
		if (r == 0 && !bytes_are_zero(room->buf, n))
			r = add(room, off, n);
		off += n;
	}
	return r;
}

static int add_not_zero(struct room *room, uint64_t off, uint64_t end)
{
	struct chain_extent e;
	int r = 0;

	for (; r == 0 && off < end; off += e.len) {
		r = chain_map(room->chain, off, end - off, &e);
		if (r == 0 && !e.zero)
			r = add_if_not_zero(room, off, e.len);
	}
	return r;
}

/* A range of which the leaf stores nothing. */
static int add_range(struct room *room, uint64_t off, uint64_t end)
{
	if (!room->parent)
		return add_not_zero(room, off, end);
	return room->compare ? chain_differences(room->chain, room->parent, off,
						 end, add_difference, room)
			     : add_unequal_maps(room, off, end);
}

/* The end of the range from off on, at most end, of which the leaf stores all
 * or, if *ret_parent is set, nothing. */
static int find_end(struct room *room, uint64_t off, uint64_t end,
		    uint64_t *ret_end, bool *ret_parent)
{
	bool first = true, parent = false;
	struct extent e;
	int r = 0;

	for (; off < end; off += e.len) {
		r = image_map_locked(room->leaf, off, end - off, &e);
		if (r < 0 || (!first && (e.kind == EXTENT_PARENT) != parent))
			break;
		parent = e.kind == EXTENT_PARENT;
		first = false;
	}
	*ret_end = off;
	*ret_parent = parent;
	return r;
}

static int count(struct room *room, rebase_progress *progress, void *arg)
{
	uint64_t size = chain_size(room->chain), next;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < size; off = next) {
		bool parent;

		r = find_end(room, off, min_u64(size, off + STEP), &next,
			     &parent);
		if (r == 0 && parent)
			r = add_range(room, off, next);
		if (r == 0 && progress)
			progress(arg, next);
	}
	return r;
}

/* leaf: gets the copies. */
static struct room room_of(struct chain *chain, struct chain *parent,
			   struct image *leaf, uint64_t unit, bool compare)
{
	return (struct room){
		.chain = chain,
		.parent = parent,
		.leaf = leaf,
		.compare = compare,
		.unit = unit,
		.bitmap = round_up(leaf->block_size / leaf->sector_size / 8,
				   unit),
	};
}

int chain_rebase_room(struct chain *chain, struct chain *parent, uint64_t unit,
		      bool compare, uint64_t *ret, rebase_progress *progress,
		      void *arg)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	struct room room =
		room_of(chain, parent, chain_leaf(chain), unit, compare);
	int r;

	room.buf = buf;
	r = buf ? count(&room, progress, arg) : fail(-ENOMEM, "out of memory");
	*ret = room.bytes;
	return r;
}

int chain_copy_room(struct chain *from, struct chain *to, uint64_t unit,
		    bool compare, uint64_t *ret, rebase_progress *progress,
		    void *arg)
{
	struct room room = room_of(from, to, chain_leaf(to), unit, compare);
	uint64_t size = chain_size(from), next;
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < size; off = next) {
		next = min_u64(size, off + STEP);
		r = add_range(&room, off, next);
		if (r == 0 && progress)
			progress(arg, next);
	}
	*ret = room.bytes;
	return r;
}
