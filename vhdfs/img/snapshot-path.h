/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The file of an image's snapshot. */
#ifndef VHDFS_IMG_SNAPSHOT_PATH_H
#define VHDFS_IMG_SNAPSHOT_PATH_H

#include "img/image-roots.h"
#include "store/snapshot.h"

/*
 * *ret: path of a file in the directory of the image at path real, which
 * image_roots_real returned; the caller frees it.  -ENOMEM with a message.
 */
int snapshot_sibling(const char *real, const char *file, char **ret);
/* The snapshot of that name; of unrelated ones, too, if that is true.  Null:
 * none. */
const struct snapshot *snapshot_choose(const struct snapshots *all,
				       const char *name, bool unrelated);
/* *ret: path of that snapshot's file; the caller frees it.  -ENOENT with a
 * message: there is none. */
int snapshot_path(const struct image_roots *roots, const char *real,
		  const char *name, bool unrelated, char **ret);
/* -ENOENT with that message. */
int snapshot_fail_missing(const char *real, const char *name,
			  const struct snapshots *all);
/* What to type where the image was renamed without its snapshots; the caller
 * frees it.  Null: it was not, or out of memory. */
char *snapshot_misnamed_text(const char *real, const struct snapshots *all);

#endif
