/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client's image put aside, and a fresh one in its place. */
#ifndef TGT_GLUE_RECONCILE_IMAGE_RESET_H
#define TGT_GLUE_RECONCILE_IMAGE_RESET_H

#include <sys/types.h>

#include "tgt-glue/reconcile/clients.h"

/*
 * May the client's image be put aside, as far as can be told while tgtd has
 * it?  -EBUSY with words where another process than tgtd (0: none) has its view
 * open; -EPERM where it may be the parent of another image.
 */
int image_reset_check(struct fleet *fleet, const struct client *client,
		      pid_t tgtd);

struct image_reset {
	/* The old image's path in the store now, or null where none had to be
	 * put aside. */
	const char *old;
	bool removed;        /* that one is gone since (keep = 0) */
	bool spare;          /* the fresh one is made of a spare file */
	struct strings told; /* what the administrator should know */
};

/*
 * Does it, when no process has the image open any more, which is waited for a
 * moment, else -EBUSY with words.  *ret is of the fleet's pool.  Where it fails
 * the client has the image that it had.
 */
int image_reset_run(struct clients *clients, const struct client *client,
		    struct image_reset *ret);

/* Waits a moment until the mount shows the client's image as it is now: 0, or
 * -errno with words. */
int image_reset_shown(const struct clients *clients,
		      const struct client *client);

#endif
