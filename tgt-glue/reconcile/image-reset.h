/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reset of a client's image: the old image is renamed, a fresh one takes its
 * place.
 */
#ifndef TGT_GLUE_RECONCILE_IMAGE_RESET_H
#define TGT_GLUE_RECONCILE_IMAGE_RESET_H

#include <sys/stat.h>
#include <sys/types.h>

#include "tgt-glue/base/messages.h"
#include "tgt-glue/reconcile/clients.h"

/*
 * Before and after the checks of many images: /proc is read once for all whose
 * view no process but tgtd has open.  A view that is opened meanwhile locks its
 * image, and image_reset_run finds that.
 */
void image_resets_begin(struct clients *clients);
void image_resets_end(struct clients *clients);

/*
 * Checks, while tgtd still has the image open, whether it can be reset. -EBUSY
 * with a message if another process than tgtd (0: none) has its view open;
 * -EPERM if it may be the parent of another image.  Waits up to a second for
 * the other process.
 */
int image_reset_check(struct clients *clients, const struct disk *disk,
		      pid_t tgtd);

/*
 * Resets the image, and prints what became of the old one.  Waits up to 5
 * seconds until no process has it open, else -EBUSY with a message.  If it
 * fails, the client keeps the old image.  Sets the disk's state from the
 * fresh image.
 */
int image_reset_run(struct clients *clients, const struct disk *disk,
		    struct messages *messages);

/* 0 if the disk's image, or an old one of it, has no child in the store; else
 * -EPERM with a message.  st: of its file. */
int image_reset_check_childless(struct clients *clients,
				const struct disk *disk, const char *image,
				const struct stat *st);
/* Waits up to 5 seconds until no process has the image at the path open: the
 * mount closes it a moment after tgtd closed the view.  0, or -EBUSY with a
 * message. */
int image_reset_wait(const struct fleet *fleet, const char *image);

/* Waits up to 5 seconds until the mount shows the client's fresh image. 0, or
 * -errno with a message. */
int image_reset_shown(const struct clients *clients, const struct disk *disk);

#endif
