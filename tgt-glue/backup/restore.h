/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Return of images from a backup to a store.
 *
 * ORDER, so that a restore that was interrupted at any step and is run again
 * ends in the same state; NAME is the path of a client's image in both:
 *
 *   1. lock the backup against another backup; remove the files .NAME.STAMP.new
 *      of clients that interrupted restores left, and no restore has locked
 *   2. without names of clients: copy the images outside of clients and disks
 *      that the store does not have, and the links   (transfer.h, T1 to T5)
 *   for each client:
 *   3. copy the parents of its image that the store does not have
 *   4. copy its image to .NAME.STAMP, as an old image; STAMP is its time of
 *      modification, so that another run finds it, or an unfinished one
 *   5. without an image NAME in the store: rename the old image to NAME
 *   6. else bring it back, as an old image: the client is logged out, and
 *      the present image is put aside   (image-restore.h)
 *   7. copy the images of its data disks that the store does not have, with
 *      their parents
 * With the name of a data disk, 3 to 6 are done with its image, and 7 is not.
 *
 * An image of the store is never replaced in 2 to 5, and in 7.  If the store
 * has an image with the identity of that of the backup as NAME, it is brought
 * back already; as .NAME.STAMP, 4 is done.  The identity is enough, for the
 * first write gives an image another one (HACKING, promise 4).  The backup is
 * not changed.
 */
#ifndef TGT_GLUE_BACKUP_RESTORE_H
#define TGT_GLUE_BACKUP_RESTORE_H

#include "tgt-glue/backup/transfer.h"
#include "tgt-glue/config/fleet.h"

struct restoring {
	const struct fleet *fleet;
	struct arena arena;
	struct root_dir from; /* the directory of the backup */
	int lock;
	struct transfer transfer;
};

/* 1, of the directory at path.  The store of the fleet is open.
 * restoring_fini after a failure, too. */
int restoring_open(struct restoring *restoring, const struct fleet *fleet,
		   const char *path);
void restoring_fini(struct restoring *restoring);

/* 2.  0, or -errno with a message. */
int restoring_masters(struct restoring *restoring);
/*
 * 3 to 5, of the client of that name; disk null: of its system disk, else of
 * that data disk.  0: done; 1: *ret_which is the old image
 * for 6, as `restore' takes it; -ENOENT: the backup has no image of it; or
 * another -errno; all with a message.  *ret_text: what became of the image,
 * after 0.
 */
int restoring_client(struct restoring *restoring, const char *name,
		     const char *disk, const char **ret_which,
		     const char **ret_text);

/* 7, of the client of that name; prints what became of each, and calls report
 * for each failure, with a message.  0; -EEXIST: the store has another image,
 * which stays; or another -errno. */
int restoring_data_disks(struct restoring *restoring, const char *name,
			 void (*report)(const char *name));

#endif
