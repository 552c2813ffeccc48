/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Space: which ranges of a file are in use, to find room for a block, and for
 * check to find overlaps and leaks.  Not thread-safe.
 *
 * First extent_set_add for every structure and block, in any order; then one
 * extent_set_sort; then extent_set_alloc and extent_set_remove.
 *
 * MEMORY: 16 bytes for each range that is apart from the others, and at most
 * EXTENT_SET_MAX of them, whatever a table claims: -EFBIG with words.
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
	struct range *used; /* once settled: ascending, apart from each other */
	size_t n, room;
	/* Called, where it is set, for every range that is added and was in use
	 * already: while adding, or when it is settled. */
	void (*overlap)(void *ctx, uint64_t off, uint64_t len);
	void *ctx;
};

void extent_set_fini(struct extent_set *set);

/* All: 0, or -ENOMEM or -EFBIG with words. */
int extent_set_add(struct extent_set *set, uint64_t off, uint64_t len);
/* Sorts and joins what was added. */
void extent_set_sort(struct extent_set *set);
/*
 * Finds and marks len bytes whose start is phase above a multiple of align (a
 * power of two), at or after from and ending at or before end, the lowest such
 * place.  -ENOSPC without words where there is none.
 */
int extent_set_alloc(struct extent_set *set, uint64_t len, uint64_t align,
		     uint64_t phase, uint64_t from, uint64_t end,
		     uint64_t *ret_off);
/* The next two: -EBADMSG with words, of the range alone, and nothing is changed
 * where the range is not what it is to be. */
/* Marks a range that is free. */
int extent_set_insert(struct extent_set *set, uint64_t off, uint64_t len);
/* Unmarks a range, all of it in use. */
int extent_set_remove(struct extent_set *set, uint64_t off, uint64_t len);
/* Does nobody use any of the range? */
bool extent_set_is_free(const struct extent_set *set, uint64_t off,
			uint64_t len);
/* The end of the last range in use; 0 where there is none. */
uint64_t extent_set_end(const struct extent_set *set);
/* Bytes below end that nobody uses. */
uint64_t extent_set_free_below(const struct extent_set *set, uint64_t end);

#endif
