/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore of an earlier state of a client's disk (saved-states.h), in the place
 * of a reset where clients->which names one.
 */
#ifndef TGT_GLUE_RECONCILE_IMAGE_RESTORE_H
#define TGT_GLUE_RECONCILE_IMAGE_RESTORE_H

#include <sys/types.h>

#include "tgt-glue/base/messages.h"
#include "tgt-glue/reconcile/clients.h"

/*
 * Checks, while tgtd still has the image open, whether the image can be
 * replaced: by a fresh one (image_reset_check), by the image of the name
 * clients->from (client_rename_check), or by the state clients->which.  Then
 * also -ENOENT: there is no such state, or a parent of it is missing; and the
 * errors of chain_open; all with a message.
 */
int image_replace_check(struct clients *clients, const struct disk *disk,
			pid_t tgtd);

/*
 * Resets the image (image_reset_run), brings back the state, or gives the
 * client the images of its earlier name (client-rename.h); and prints what
 * became of the image before.  Waits up to 5 seconds until no process has them
 * open, else -EBUSY with a message.  If it fails, the client keeps its image.
 * Sets the client's state from the image that it has then.
 */
int image_replace_run(struct clients *clients, const struct disk *disk,
		      struct messages *messages);

/* Was the disk's image brought back while fleet.conf wanted the version of its
 * master that it wants now, and not reset since? */
bool image_is_restored(const struct fleet *fleet, const struct disk *disk);

#endif
