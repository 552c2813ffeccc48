/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' images: which are missing, and whose children they are. */
#ifndef TGT_GLUE_CHILDREN_H
#define TGT_GLUE_CHILDREN_H

#include "tgt-glue/fleet.h"

enum child_state {
	CHILD_READY,
	CHILD_MISSING,
	/* There, but no child of the configured master, or not to be told. */
	CHILD_OTHER,
};

/*
 * Looks at the client's image.  For CHILD_OTHER *ret_why, of the fleet's pool,
 * says what is the matter.
 */
enum child_state children_look(struct fleet *fleet, const struct client *client,
			       const char **ret_why);
/* Is its image as one that was just made: a child of its master, of the wanted
 * block size, that holds nothing? Nobody writes to it meanwhile. */
bool children_fresh(struct fleet *fleet, const struct client *client);
/* Makes the missing image, and the directory that it is in. */
int children_make(struct fleet *fleet, const struct client *client);
/* The same, of a spare where the store is full; *ret_spare says that it was. */
int children_make_sure(struct fleet *fleet, const struct client *client,
		       bool *ret_spare);

/*
 * Sets every client's sector_size: its own image's, or its master's where it
 * has none yet.  What cannot be read has 512.
 */
void children_sector_sizes(struct fleet *fleet);

/* Is anything mounted there, that answers? */
/* -ENOENT, in words of what mounts the store. */
int children_fail_unmounted(const struct fleet *fleet);
bool children_mounted(const struct fleet *fleet);

/*
 * Is the flat file that the mount shows there, and may tgtd have it?  0, or
 * -errno with words.  Waits a moment for one that was just made.
 */
int children_view_ready(const struct fleet *fleet, const struct client *client);

#endif
