/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An open parent: its image, its own parent, and the block map of both merged.
 * parent-cache.h shares it between chains.
 */
#ifndef VHDFS_CHAIN_PARENT_IMAGE_H
#define VHDFS_CHAIN_PARENT_IMAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "format/image.h"
#include "io/io-file.h"

struct map_cache;

/* parent, img, map and path are constant while a reference is held. */
struct parent_image {
	struct parent_image *next; /* in the cache's list; under its lock */
	unsigned refs;             /* under the cache's lock */
	bool shared;               /* locked against writers, and in the list */
	bool outdated;        /* not for new chains; under the cache's lock */
	atomic_bool replaced; /* the file, or a parent's file, holds another
				 image */
	struct file_stamp stamp;     /* of the file; under the cache's lock */
	struct parent_image *parent; /* a reference; null: the chain's end */
	struct image *img;
	struct map_cache *map; /* of this image and its parents */
	char *path;            /* as chain_path returns it */
};

/* Closes the image and frees entry, which is not in the cache's list.  The
 * caller gives the reference to entry->parent back. */
void parent_image_free(struct parent_image *entry);
DEFINE_CLEANUP(struct parent_image *, parent_image_free);

/*
 * Opens the file of an open image again, with a second descriptor: 1 if it
 * still holds that image, 0 if it holds another image or none, or the error of
 * reading it.
 */
int parent_image_matches_file(const struct image *open);

/*
 * Reads whole sectors of the merged disk of entry and its parents; null: zeros.
 * Beyond the end of entry's disk the result is zeros.  child names the chain's
 * leaf in messages.  -ESTALE with a message if the file of a parent was
 * replaced.  THREADS: any number at once.
 */
int parent_image_read(struct parent_image *entry, const char *child,
		      uint8_t *buf, uint64_t off, size_t len);

#endif
