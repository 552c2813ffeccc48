/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a chain of parents says of each place, found once, kept, and shared by
 * all their children: parents never change while they are open, so how many of
 * them there are does not cost, and who only looks takes no lock.
 *
 * THREADS: map_cache_lookup may be called by any number of threads at once.
 */
#ifndef VHDFS_CHAIN_MAP_CACHE_H
#define VHDFS_CHAIN_MAP_CACHE_H

#include <stdint.h>

#include "base/cleanup.h"
#include "format/image.h"

struct map_cache;

struct map_cache_extent {
	struct io *io; /* null: zeros */
	uint64_t file_off;
	uint64_t len;
};

/*
 * For n images (at most CHAIN_DEPTH_MAX), each the parent of the one before;
 * the images stay the caller's, the array is copied.  0 or -ENOMEM with words.
 */
int map_cache_new(struct image *const *images, unsigned n,
		  struct map_cache **ret);
/* null is allowed. */
void map_cache_free(struct map_cache *map);

/*
 * The first extent of [off, off + len): at least a byte and at most len. Beyond
 * the end of images[0]'s disk are zeros, for a child's disk may be larger.
 * Errors as image_map's; they are not kept.
 */
int map_cache_lookup(struct map_cache *map, uint64_t off, uint64_t len,
		     struct map_cache_extent *ret);

DEFINE_CLEANUP(struct map_cache *, map_cache_free);

#endif
