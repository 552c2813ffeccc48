/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Space that the images of a fleet take, by what they are. */
#ifndef TGT_GLUE_RECONCILE_IMAGE_USE_H
#define TGT_GLUE_RECONCILE_IMAGE_USE_H

#include "tgt-glue/config/fleet.h"

enum image_use_kind {
	USE_PRESENT, /* the disks of fleet.conf */
	USE_OLD,     /* put aside */
	USE_KEPT,
	USE_SNAPSHOTS,
	USE_UNUSED,  /* of a client, and no disk of fleet.conf */
	USE_MASTERS, /* with all versions, and images that clients share */
	USE_KINDS
};

/* "present", "put-aside", "kept", "snapshots", "unused", "masters". */
extern const char *const image_use_names[USE_KINDS];

/* In bytes on disk. */
struct image_use {
	uint64_t v[USE_KINDS];
};

uint64_t image_use_sum(const struct image_use *use);
/* Adds a file of the client, in the directory of the disks' images. */
void image_use_add_client(struct image_use *use, const struct client *client,
			  const char *path, uint64_t bytes);
/* Adds all masters of the store, and the images that clients share, each file
 * once.  What cannot be read is left out. */
void image_use_add_masters(struct image_use *use, const struct fleet *fleet);

#endif
