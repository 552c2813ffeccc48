/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orphan images: images in the clients' directory, and below the directory of
 * data disks, whose name is that of no client of fleet.conf.  Snapshots and old
 * images have the name of their client.
 */
#ifndef TGT_GLUE_RECONCILE_ORPHAN_IMAGES_H
#define TGT_GLUE_RECONCILE_ORPHAN_IMAGES_H

#include "store/store.h"
#include "tgt-glue/config/fleet.h"
#include "tgt-glue/reconcile/image-use.h"

struct orphan {
	const char *path;   /* in the store */
	const char *client; /* whose name it has */
	const char *image;  /* path of the image that it is, or of which it is a
			     * snapshot or an old image */
	uint64_t size;      /* on disk, bytes */
};

struct orphans {
	struct orphan *v; /* by path */
	size_t n;
	uint64_t size; /* the sum */
	/* Of the other images in these directories; of masters nothing. */
	struct image_use use;
};

/* Lists them, into arena; opens no image.  0, or -errno with a message. */
int orphans_read(struct arena *arena, const struct fleet *fleet,
		 struct orphans *ret);

/*
 * *ret, which the caller frees: an image that is, or may be, a child of the
 * orphan; null: none.  *images: as for children_find.
 */
int orphan_child(const struct fleet *fleet, struct store **images,
		 const struct orphan *orphan, char **ret);

/*
 * Removes the orphan's file, and syncs the directory.  -EBUSY: a process has it
 * open; -EPERM: it is, or may be, a parent.  With a message.
 */
int orphan_remove(const struct fleet *fleet, struct store **images,
		  const struct orphan *orphan);

#endif
