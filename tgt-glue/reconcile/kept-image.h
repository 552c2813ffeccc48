/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kept image: the state of a client's disk to which a reset goes back, instead
 * of the master.
 *
 * It is a snapshot of the disk's image with the name kept-N.  Of several, the
 * one with the greatest number is the kept one, so another is kept in one step,
 * and the disk has a kept state at every moment; the others are snapshots that
 * remain while images need them.  A kept image is in force while it descends
 * from the master that the disk is to have; and until it is forgotten, which an
 * extended attribute of its file says.
 */
#ifndef TGT_GLUE_RECONCILE_KEPT_IMAGE_H
#define TGT_GLUE_RECONCILE_KEPT_IMAGE_H

#include "tgt-glue/config/fleet.h"

/* The number of a kept image from the name of its snapshot; 0: another name. */
unsigned kept_image_number(const char *snapshot);
/* The name of the snapshot whose path, of a kept image, is given. */
const char *kept_image_snapshot(struct arena *arena, const char *path);
/* The name of the snapshot with that number. */
const char *kept_image_name(struct arena *arena, unsigned number);

/* An image kept-N of a disk, forgotten or not. */
struct kept_image {
	const char *path; /* in the store */
	const char *name; /* of the snapshot */
	unsigned number;
};

struct kept_images {
	struct kept_image *v; /* the greatest number first */
	size_t n;
};

/* All of the disk, which has an image of its own, in arena. */
void kept_images_read(struct arena *arena, const struct fleet *fleet,
		      const struct disk *disk, struct kept_images *ret);
/* The path of the kept one, in arena; null: none.  It may not be in force. */
const char *kept_image_find(struct arena *arena, const struct fleet *fleet,
			    const struct disk *disk);
/* The image whose child a fresh image of the disk, which has a master, is: the
 * kept one, if it is in force; else the master.  A path in the store. */
const char *kept_image_base(struct arena *arena, const struct fleet *fleet,
			    const struct disk *disk);
/* Forgets the kept image at path: it is an ordinary snapshot from then on.  0,
 * or -errno with a message. */
int kept_image_forget(const struct fleet *fleet, const char *path);

#endif
