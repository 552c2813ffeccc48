/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Space: which ranges of a file are in use, to find room for a block, and for
 * check to find overlaps and leaks.  Not thread-safe.
 *
 * First space_add for every structure and block, in any order; then one
 * space_settle; then space_take and space_release.
 *
 * MEMORY: 16 bytes for each range that is apart from the others, and at most
 * SPACE_RANGES_MAX of them, whatever a table claims: -EFBIG with words.
 */
#ifndef VHDFS_FORMAT_SPACE_H
#define VHDFS_FORMAT_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SPACE_RANGES_MAX = 4 << 20 };

struct range {
	uint64_t off, end;
};

struct space {
	struct range *used; /* once settled: ascending, apart from each other */
	size_t n, room;
	/* Called, where it is set, for every range that is added and was in use
	 * already: while adding, or when it is settled. */
	void (*overlap)(void *ctx, uint64_t off, uint64_t len);
	void *ctx;
};

void space_fini(struct space *space);

/* All: 0, or -ENOMEM or -EFBIG with words. */
int space_add(struct space *space, uint64_t off, uint64_t len);
/* Sorts and joins what was added. */
void space_settle(struct space *space);
/*
 * Finds and marks len bytes whose start is phase above a multiple of align (a
 * power of two), at or after from and ending at or before end, the lowest such
 * place.  -ENOSPC without words where there is none.
 */
int space_take(struct space *space, uint64_t len, uint64_t align,
	       uint64_t phase, uint64_t from, uint64_t end, uint64_t *ret_off);
/* The next two: -EBADMSG with words, of the range alone, and nothing is changed
 * where the range is not what it is to be. */
/* Marks a range that is free. */
int space_mark(struct space *space, uint64_t off, uint64_t len);
/* Unmarks a range, all of it in use. */
int space_release(struct space *space, uint64_t off, uint64_t len);
/* Does nobody use any of the range? */
bool space_is_free(const struct space *space, uint64_t off, uint64_t len);
/* The end of the last range in use; 0 where there is none. */
uint64_t space_end(const struct space *space);
/* Bytes below end that nobody uses. */
uint64_t space_free_below(const struct space *space, uint64_t end);

#endif
