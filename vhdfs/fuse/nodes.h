/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Node table: the images and directories that the kernel knows, by node number.
 *
 * An image is one node, also if it has several names, so the kernel caches its
 * pages once.  A directory is a node for each path.
 *
 * A node number is computed from the number of the image's disk, or from the
 * directory's path.  So a worker that has just started can find a node that
 * an earlier worker named to the kernel.
 *
 * Any thread may call any function.  A node exists while the kernel remembers
 * it, which is at least until the last request for it is answered.
 */
#ifndef VHDFS_FUSE_NODES_H
#define VHDFS_FUSE_NODES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

struct node {
	uint64_t number;
	/* References that the kernel holds; under the table's lock, as the next
	 * one. */
	uint64_t lookups;
	bool forever;              /* stays until nodes_free */
	struct store_image *image; /* null for a directory; a reference */
	char *path;                /* in the store; null for an image; owned */
	/* Open handles that use the kernel's page cache. */
	atomic_uint cached_opens;
	/* view_silent_changes when the page cache was dropped last. */
	atomic_uint silent_changes;
	/* Open handles that are lost (requests.h). */
	atomic_uint lost_opens;
	/* When an error of the image was logged last, in seconds. */
	atomic_llong logged_at;
};

/* Adds the store's root directory to the table, as node 1.  -ENOMEM with
 * error_text(). */
int nodes_init(void);
/* Removes all nodes. */
void nodes_free(void);

/* Null if the table has no such node. */
struct node *nodes_find(uint64_t number);

/*
 * Finds or makes the node of an image or a directory, and adds one lookup.
 * nodes_add_image takes over the caller's reference of the image, on failure
 * too.  forever: an earlier worker named the node to the kernel, so how many
 * lookups the kernel holds is not known, and the node stays until nodes_free.
 * -ENOMEM with error_text().
 */
int nodes_add_image(struct store_image *image, bool forever, struct node **ret);
int nodes_add_dir(const char *path, struct node **ret);

/* Adds, forever, a node that an earlier worker named to the kernel, by the
 * number alone: searches the store.  Null if it finds none. */
struct node *nodes_revive(struct store *store, uint64_t number);

/* Calls each for every node. */
typedef void node_visitor(const struct node *node);
void nodes_each(node_visitor *each);

/* Subtracts lookups; removes the node when it has none left. */
void nodes_forget(uint64_t number, uint64_t lookups);

#endif
