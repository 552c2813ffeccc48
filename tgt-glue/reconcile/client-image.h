/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' images: which exist, which are children of their masters. */
#ifndef TGT_GLUE_RECONCILE_CLIENT_IMAGE_H
#define TGT_GLUE_RECONCILE_CLIENT_IMAGE_H

#include "tgt-glue/reconcile/clients.h"

/*
 * Inspects the client's image: sets image, image_why, parent, version, behind
 * and sector_size of its state.  A disk whose image cannot be read has its
 * master's sector size, else 512.
 */
void client_image_inspect(struct clients *clients, const struct disk *disk);
void client_images_inspect(struct clients *clients);
/*
 * True if the image is as one that was just created: a child of its master, of
 * the wanted block size, without any data.  The caller excludes writers.
 */
bool client_image_is_fresh(struct clients *clients, const struct disk *disk);
/* True if the image, which was inspected, has no data and is a child of a
 * version of its master, wanted or not.  The caller excludes writers. */
bool client_image_is_empty(const struct clients *clients,
			   const struct disk *disk);
/* Replaces the image, which nothing has open, by a fresh child of the master in
 * one step.  0, or -errno with a message: then it is as it was. */
int client_image_replace(struct clients *clients, const struct disk *disk);
/* Creates the missing image, and its directory; of that spare file, unless
 * null.  0, or -errno with a message. */
int client_image_create(struct clients *clients, const struct disk *disk,
			const char *spare);
/* The same without a spare; if the store is full, of any, and *ret_spare is
 * true. */
int client_image_ensure(struct clients *clients, const struct disk *disk,
			bool *ret_spare);

/* 0; or -EPERM with a message: the path in the store is that of a symbolic
 * link, which a verb that gives its image another name would replace. */
int client_image_check_no_link(const struct fleet *fleet, const char *path);

/* Removes the write permission of a shared image; *ret_done: it had it. */
int client_image_protect(const struct fleet *fleet, const struct disk *disk,
			 bool *ret_done);

/* True if a file system is mounted at fleet.conf's mount, and answers. */
bool client_images_mounted(const struct fleet *fleet);
/* -ENOENT with a message: nothing is mounted there, and the command to mount
 * the store. */
int client_images_fail_unmounted(const struct fleet *fleet);
/* 0 if client_images_mounted, else client_images_fail_unmounted. */
int client_images_check_mounted(const struct fleet *fleet);

/*
 * 0 if tgtd can open the client's flat file in the mount, else -errno with a
 * message.  Waits up to 2 seconds for a file that was just created.
 */
int client_image_view_ready(const struct clients *clients,
			    const struct disk *disk);

#endif
