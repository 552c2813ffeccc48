/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening of all parents of an image. */
#ifndef VHDFS_CHAIN_PARENT_OPEN_H
#define VHDFS_CHAIN_PARENT_OPEN_H

#include <stdbool.h>
#include <stddef.h>

#include "format/image.h"

struct parent_cache;
struct parent_image;

/*
 * Opens the parents of child up to the end of the chain.  child is at path real
 * in the root directory of that index.  lock: lock the parents' files against
 * writers, and share the open images through the cache.
 *
 * *ret: child's parent, a reference for the caller; null if child has none.
 * Errors: those of chain_open, with a message.
 */
int parent_open_all(struct parent_cache *cache, struct image *child,
		    size_t rootdir, const char *real, bool lock,
		    struct parent_image **ret);

#endif
