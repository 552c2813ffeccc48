/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parents, open and shared; for chain.c.  See chain.h for what a family is. */
#ifndef VHDFS_CHAIN_PARENT_CACHE_H
#define VHDFS_CHAIN_PARENT_CACHE_H

#include <pthread.h>
#include <stdatomic.h>

#include "chain/chain.h"
#include "io/io-file.h"

/*
 * A parent that is open.  parent, img, flat and path do not change while
 * somebody holds a reference.
 */
struct parent_image {
	struct parent_image *next; /* in the family's list; under its lock */
	unsigned refs;             /* under the family's lock */
	bool shared;               /* locked against writers, and in the list */
	bool outdated;        /* not for new chains; under the family's lock */
	atomic_bool replaced; /* its file or a parent's holds another image */
	struct file_stamp stamp; /* of the file; under the family's lock */
	struct parent_image
		*parent; /* a reference; null at the end of the chain */
	struct image *img;
	struct map_cache *map; /* of it and its parents */
	char *path;            /* as chain_path shows it */
};

struct parent_cache {
	const struct root_dir *roots;
	size_t n_roots;
	/* The list and its references.  No I/O under it: two threads may open
	 * one parent at the same time; the second then takes the first's. */
	pthread_mutex_t lock;
	struct parent_image *entries;
};

/* A file that was found and opened: in which place, and where it is there. */
struct found_parent {
	size_t rootdir;
	char *real;    /* owned */
	struct io *io; /* owned */
};

void found_parent_fini(struct found_parent *found);

/*
 * Opens the parents of child, which is at real in its place, all the way up.
 * lock: keep writers away from them.  *ret is null where child has no parent;
 * else the caller holds a reference.
 */
int parent_cache_open(struct parent_cache *cache, struct image *child,
		      size_t rootdir, const char *real, bool lock,
		      struct parent_image **ret);
/* Puts a new layer, which nothing else uses, into the list, unless another
 * thread was first: returns the one that is to be used, with the caller's
 * reference. */
struct parent_image *parent_cache_insert(struct parent_cache *cache,
					 struct parent_image *entry);
/* An open layer of that file that is as the file is now, with a reference; null
 * for none. */
struct parent_image *parent_cache_get(struct parent_cache *cache,
				      const struct io *io);
/* For one that is not in the list. */
void parent_image_free(struct parent_image *entry);
DEFINE_CLEANUP(struct parent_image *, parent_image_free);
/* Gives a reference back; null is allowed. */
void parent_cache_put(struct parent_cache *cache, struct parent_image *entry);

/* Looks into the file of an open image again, by a descriptor of its own: 1
 * where it still holds that image, 0 where it holds another or none. */
int parent_image_matches_file(const struct image *open);
/* Are the files of layer (null is allowed) and its parents as they were when
 * they were opened?  Does I/O. */
bool parent_cache_is_current(struct parent_cache *cache,
			     struct parent_image *entry);

const struct root_dir *parent_cache_store(const struct parent_cache *cache);

#endif
