/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' images: which are missing, and whose children they are. */
#ifndef TGT_GLUE_RECONCILE_CLIENT_IMAGE_H
#define TGT_GLUE_RECONCILE_CLIENT_IMAGE_H

#include "tgt-glue/config/fleet.h"

enum client_image_state {
	CHILD_READY,
	CHILD_MISSING,
	/* There, but no child of the configured master, or not to be told. */
	CHILD_OTHER,
};

/*
 * Looks at the client's image.  For CHILD_OTHER *ret_why, of the fleet's pool,
 * says what is the matter.
 */
enum client_image_state client_images_inspect(struct fleet *fleet,
					      const struct client *client,
					      const char **ret_why);
/* Is its image as one that was just made: a child of its master, of the wanted
 * block size, that holds nothing? Nobody writes to it meanwhile. */
bool client_image_create_fresh(struct fleet *fleet,
			       const struct client *client);
/* Makes the missing image, and the directory that it is in. */
int client_images_create(struct fleet *fleet, const struct client *client);
/* The same, of a spare where the store is full; *ret_spare says that it was. */
int client_images_ensure(struct fleet *fleet, const struct client *client,
			 bool *ret_spare);

/*
 * Sets every client's sector_size: its own image's, or its master's where it
 * has none yet.  What cannot be read has 512.
 */
void client_images_sector_sizes(struct fleet *fleet);

/* Is anything mounted there, that answers? */
/* -ENOENT, in words of what mounts the store. */
int client_images_fail_unmounted(const struct fleet *fleet);
bool client_images_mounted(const struct fleet *fleet);

/*
 * Is the flat file that the mount shows there, and may tgtd have it?  0, or
 * -errno with words.  Waits a moment for one that was just made.
 */
int client_image_view_ready(const struct fleet *fleet,
			    const struct client *client);

#endif
