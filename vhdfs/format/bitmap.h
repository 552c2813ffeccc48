/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sector bitmap of one block, in the pages of a table cache.
 *
 * Bits are set with an atomic OR while other threads read them or set others,
 * under a shared lock.  A set bit is a release: a thread that loads it also
 * sees the writes before it.  Clearing bits is not atomic and needs the
 * exclusive lock, and so does bitmap_fill of a clean page.
 */
#ifndef VHDFS_FORMAT_BITMAP_H
#define VHDFS_FORMAT_BITMAP_H

#include <stdbool.h>
#include <stdint.h>

struct table_cache;

struct bitmap {
	struct table_cache *cache;
	uint64_t file_off; /* in the cache; the start of a page */
	uint64_t first;    /* bit of the block's first sector */
	bool msb_first;    /* of a byte, the highest bit is the first (VHD) */
};

/* Below, bit is the number of a sector in the block.  0, or the errors of
 * table_cache_get and table_cache_mark_dirty. */

/* The bit, and the number of bits, n at most, from there on that are equal. */
int bitmap_run(const struct bitmap *b, uint64_t bit, uint64_t n,
	       bool *ret_value, uint64_t *ret_run);
/* Sets n bits to value; only pages that change become dirty. */
int bitmap_fill(const struct bitmap *b, uint64_t bit, uint64_t n, bool value);
/* Are the n bits in dirty pages?  Then bitmap_fill cannot fail, and needs the
 * shared lock only to set them. */
bool bitmap_is_dirty(const struct bitmap *b, uint64_t bit, uint64_t n);

/* bitmap_fill for bits in memory. */
void bits_fill(uint8_t *data, uint64_t bit, uint64_t n, bool value,
	       bool msb_first);

#endif
