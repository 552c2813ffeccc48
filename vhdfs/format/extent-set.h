/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extent set: the ranges of a file that are in use, to allocate space for a
 * block, and to find overlaps and leaks.  Not thread-safe.
 *
 * Usage: extent_set_add for each structure and block in any order; then
 * extent_set_sort once; then all other functions.
 *
 * MEMORY: 16 bytes for each range that is not adjacent to another, and at most
 * EXTENT_SET_MAX ranges, whatever the tables of the file hold.
 */
#ifndef VHDFS_FORMAT_EXTENT_SET_H
#define VHDFS_FORMAT_EXTENT_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXTENT_SET_MAX = 4 << 20 };

struct range {
	uint64_t off, end;
};

struct extent_set {
	struct range *used; /* sorted and not adjacent after extent_set_sort */
	size_t n, room;
	/* Two added ranges overlap, the last ones at overlap_off. */
	bool overlaps;
	uint64_t overlap_off;
	/* Optional: called by extent_set_add and extent_set_sort for each added
	 * range that overlaps another. */
	void (*overlap)(void *ctx, uint64_t off, uint64_t len);
	void *ctx;
};

void extent_set_fini(struct extent_set *set);

/* Adds a range; unsorted.  0, or a negative errno with a message: -ENOMEM, or
 * -EFBIG above EXTENT_SET_MAX ranges. */
int extent_set_add(struct extent_set *set, uint64_t off, uint64_t len);
/* The same; joins the range to the last one that was added, if they are
 * adjacent: the blocks of a fixed image are one range. */
int extent_set_append(struct extent_set *set, uint64_t off, uint64_t len);
/* Adds the ranges of another set. */
int extent_set_add_all(struct extent_set *set, const struct extent_set *other);
/* Sorts the ranges and joins adjacent ones. */
void extent_set_sort(struct extent_set *set);
/*
 * Allocates the lowest free len bytes inside [from, end) whose start is phase
 * bytes above a multiple of align, a power of two.  -ENOSPC without a message
 * if there are none; else as extent_set_insert.
 */
int extent_set_alloc(struct extent_set *set, uint64_t len, uint64_t align,
		     uint64_t phase, uint64_t from, uint64_t end,
		     uint64_t *ret_off);
/* Adds a free range to a sorted set.  -EBADMSG with a message, and no change,
 * if a part of it is in use; else as extent_set_add. */
int extent_set_insert(struct extent_set *set, uint64_t off, uint64_t len);
/* Removes a range.  -EBADMSG with a message, and no change, if a part of it is
 * free; -ENOMEM, -EFBIG. */
int extent_set_remove(struct extent_set *set, uint64_t off, uint64_t len);
/* Removes the ranges of freed, and empties it.  As extent_set_remove; what was
 * not removed stays in freed then. */
int extent_set_remove_all(struct extent_set *set, struct extent_set *freed);
/* Is no part of the range in use? */
bool extent_set_is_free(const struct extent_set *set, uint64_t off,
			uint64_t len);
/* The end of the last range in use; 0 in an empty set. */
uint64_t extent_set_end(const struct extent_set *set);

#endif
