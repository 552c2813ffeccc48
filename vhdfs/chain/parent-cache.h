/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cache of open parents: all chains of one cache that go through the same file
 * share one open image, and with it one copy of its tables.
 *
 * The cache also knows the root directories in which parents are searched.
 *
 * THREADS: any number may use one cache.  The cache has a lock of its own; no
 * I/O is done under it, and no other lock is taken under it.  So two threads
 * may open one parent at the same time; the second one then drops its own and
 * takes the first one's.
 */
#ifndef VHDFS_CHAIN_PARENT_CACHE_H
#define VHDFS_CHAIN_PARENT_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct io;
struct parent_cache;
struct parent_image;
struct root_dir; /* io/rootdir.h */

/*
 * roots[0] is the store, or AT_FDCWD without confinement.  In the others (-o
 * parents=DIR) a parent is searched by its base name only.  The caller keeps
 * the root directories, and frees them after parent_cache_free.  0, or -ENOMEM
 * with a message.
 */
int parent_cache_new(const struct root_dir *roots, size_t n_roots,
		     struct parent_cache **ret);
/* All chains of the cache are closed. */
void parent_cache_free(struct parent_cache *cache);

/*
 * To be called when a parent's file was, or may have been, changed.  Chains
 * that are opened later read the file again.  Chains that are open get -ESTALE
 * if the file holds another image now.
 */
void parent_cache_file_changed(struct parent_cache *cache, dev_t dev,
			       ino_t ino);

/* For the files of this folder. */

/* The root directories; the first is the store. */
const struct root_dir *parent_cache_roots(const struct parent_cache *cache,
					  size_t *ret_n);
const struct root_dir *parent_cache_store(const struct parent_cache *cache);
/* The open parent of io's file, with a reference for the caller; null if none
 * is open, or if the file has changed since. */
struct parent_image *parent_cache_get(struct parent_cache *cache,
				      const struct io *io);
/*
 * Adds entry, to which the caller has the only reference.  If another thread
 * has added the same file first, closes entry.  Returns the one to be used,
 * with the caller's reference.
 */
struct parent_image *parent_cache_insert(struct parent_cache *cache,
					 struct parent_image *entry);
/* Gives a reference back; closes what has no reference left.  Null is
 * allowed. */
void parent_cache_put(struct parent_cache *cache, struct parent_image *entry);
/* Whether the files of entry (null is allowed) and its parents are unchanged
 * since they were opened.  Does I/O. */
bool parent_cache_is_current(struct parent_cache *cache,
			     struct parent_image *entry);

DEFINE_CLEANUP(struct parent_cache *, parent_cache_free);

#endif
