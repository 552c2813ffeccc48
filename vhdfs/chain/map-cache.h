/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cached block map of the merged parents, shared by all their children.  The
 * parents do not change while they are open, so a lookup costs the same for
 * any number of parents, and a lookup that hits the cache takes no lock.
 *
 * THREADS: any number of threads may call map_cache_lookup at once.
 */
#ifndef VHDFS_CHAIN_MAP_CACHE_H
#define VHDFS_CHAIN_MAP_CACHE_H

#include <stdint.h>

#include "base/cleanup.h"
#include "chain/chain-map.h"

struct map_cache;

/*
 * A cache for n images (at most CHAIN_DEPTH_MAX), each the parent of the image
 * before it.  The caller keeps the images and closes them after
 * map_cache_free; the array is copied.  0, or -ENOMEM with a message.
 */
int map_cache_new(struct image *const *images, unsigned n,
		  struct map_cache **ret);
/* Null is allowed. */
void map_cache_free(struct map_cache *map);

/*
 * The first extent of [off, off + len), without depth of zeros: at least one
 * byte, at most len.  Beyond the end of images[0]'s disk the result is zeros,
 * because a child's disk may be larger.  Returns the errors of image_map; an
 * error is not cached.
 */
int map_cache_lookup(struct map_cache *map, uint64_t off, uint64_t len,
		     struct chain_extent *ret);

DEFINE_CLEANUP(struct map_cache *, map_cache_free);

#endif
