/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backup of clients' images to a directory, which is a store itself: each image
 * there is sound, and finds its parents there.  backup.c has the order.
 */
#ifndef TGT_GLUE_BACKUP_BACKUP_H
#define TGT_GLUE_BACKUP_BACKUP_H

#include "io/rootdir.h"
#include "tgt-glue/config/fleet.h"

struct backup {
	const struct fleet *fleet;
	struct arena arena;
	struct root_dir to; /* the directory of the backup */
	int lock;           /* holds the directory, or -1 */
	unsigned keep;      /* earlier backups of each image that stay */
	bool failed;        /* an image, or fleet.conf, was not copied */
	bool skipped;       /* a client has no image */
};

/*
 * Opens the directory at path, which is created if it is missing, and removes
 * what an interrupted backup left there.  backup_fini after a failure, too.
 * -EBUSY: another process uses it; -EINVAL: it lies in the store or the mount,
 * or has them; with a message.
 */
int backup_open(struct backup *backup, const struct fleet *fleet,
		const char *path, unsigned keep);
void backup_fini(struct backup *backup);

/* Copies fleet.conf and the files that it names. */
void backup_config(struct backup *backup);
/*
 * Copies the images of the client's disks, but no CD-ROM, and what they need,
 * and reports the result.  The
 * client may use its disk meanwhile.  A failure is in backup->failed.
 */
void backup_client(struct backup *backup, const struct client *client);

#endif
