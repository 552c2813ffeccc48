/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The nodes that the kernel knows, by number.  A node is an image, whatever its
 * names, so that the kernel caches one image once; or a directory, by its path.
 *
 * A number is made from what the node is (device and inode number of an image,
 * path of a directory), so it can be found again by who remembers nothing.
 *
 * THREADS: every function may be called from any thread.  A node stays while
 * the kernel remembers it, which is at least as long as it has a request for
 * it under way.
 */
#ifndef VHDFS_FUSE_NODES_H
#define VHDFS_FUSE_NODES_H

#include <stdatomic.h>
#include <stdint.h>

#include "store/store.h"

struct node {
	uint64_t number;
	uint64_t
		lookups; /* that the kernel remembers; under the table's lock */
	struct store_image *image; /* null for a directory; a reference */
	char *path;                /* of a directory in the store */
	/* How many have it open through the kernel's page cache. */
	atomic_uint cached;
	/* view_silent_changes when its pages were dropped last. */
	atomic_uint changes;
	/* How many opens of it could not be opened again (io/recovery.h). */
	atomic_uint lost;
	/* When a failure of it was logged last: seconds. */
	atomic_llong logged;
};

struct nodes;

/* With the store's root as node 1. */
int nodes_new(struct store *store, struct nodes **ret);
void nodes_free(struct nodes *nodes);

/* Null where the kernel asks for what it has forgotten. */
struct node *nodes_find(struct nodes *nodes, uint64_t number);

/*
 * The node for an image (whose reference it takes over) or a directory, found
 * or made, with one more lookup.
 */
int nodes_add_image(struct nodes *nodes, struct store_image *image,
		    const struct stat *st, struct node **ret);
int nodes_add_dir(struct nodes *nodes, const char *path, struct node **ret);

/*
 * Of what another process told the kernel: nobody knows how often, so such a
 * node stays for good.  The image's reference is taken over.
 */
int nodes_revive_image(struct nodes *nodes, struct store_image *image,
		       dev_t dev, ino_t ino, struct node **ret);
/* By its number alone, looked for in the store; null where there is none. */
struct node *nodes_revive(struct nodes *nodes, uint64_t number);

/* Calls each for every node. */
void nodes_each(struct nodes *nodes,
		void (*each)(void *ctx, const struct node *node), void *ctx);

void nodes_forget(struct nodes *nodes, uint64_t number, uint64_t lookups);

#endif
