/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rename of a client: its images get its new name, in the place of a reset,
 * where clients->from is its earlier name.
 */
#ifndef TGT_GLUE_RECONCILE_CLIENT_RENAME_H
#define TGT_GLUE_RECONCILE_CLIENT_RENAME_H

#include "tgt-glue/reconcile/clients.h"

/* The IQN that the client of this name had, with the fleet's prefix, in
 * arena. */
const char *client_rename_iqn(struct arena *arena, const struct fleet *fleet,
			      const char *name);

/*
 * Checks whether there is something to rename from `from', or the client was
 * renamed from it.  -ENOENT, with a message: neither; that name may never have
 * been a client's.
 */
int client_rename_check_earlier(struct arena *arena, const struct fleet *fleet,
				const struct client *client, const char *from);
/*
 * Checks whether the images of the client can get its name.  -ENOENT: there is
 * no image of either name; -EEXIST: the client has a disk with data already;
 * with a message.
 */
int client_rename_check(struct clients *clients, const struct client *client);
/* Does the rename of the disk's client bring its image, so that none is to be
 * made? */
bool client_rename_brings(const struct clients *clients,
			  const struct disk *disk);
/*
 * Renames the images; nothing to do is no failure.  -EBUSY and others, with a
 * message.  Sets the client's state from its image.
 */
int client_rename_run(struct clients *clients, const struct client *client);

#endif
