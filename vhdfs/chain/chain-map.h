/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where bytes are: images asked one after the other. For chain.c and
 * map-cache.c. */
#ifndef VHDFS_CHAIN_CHAIN_MAP_H
#define VHDFS_CHAIN_CHAIN_MAP_H

#include "chain/chain.h"

/*
 * What n images, each the parent of the one before, have at off: the first
 * extent of [off, off + len).  depth counts from images[0].  Takes each image's
 * lock for as long as it is asked.
 *
 * SIZES.  The disks may have any sizes.  Beyond the end of an image's disk are
 * zeros, also where its own parent's disk is larger and has data there.
 */
int chain_map_layers(struct image *const *images, unsigned n, uint64_t off,
		     uint64_t len, struct chain_extent *ret);

#endif
