/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent of an image of the store, from the mount or from the image's
 * file. */
#ifndef TGT_GLUE_RECONCILE_IMAGE_PARENT_H
#define TGT_GLUE_RECONCILE_IMAGE_PARENT_H

#include <stdbool.h>
#include <stddef.h>

#include "tgt-glue/config/fleet.h"

struct image;

/* Opens an image of the store read-only, without locks; the caller closes it
 * with image_close.  *ret_real, which the caller frees, may be null. */
int image_open_unlocked(const struct fleet *fleet, const char *path,
			struct image **ret, char **ret_real);

/*
 * Writes the path of the parent of the image at path to parent, which has size
 * bytes; both are paths in the store.  -ENODATA: it is no differencing image;
 * the errors of image_open and chain_open; all with a message.
 */
int image_parent_path(const struct fleet *fleet, const char *path, char *parent,
		      size_t size);

/* True if the image at path has no data of its own, and no
 * snapshot or revert of it is unfinished.  The caller excludes writers. */
bool image_holds_nothing(const struct fleet *fleet, const char *path);
/* True if the image at path is a child of the image at parent, and has no data:
 * it shows what that shows.  The caller excludes writers. */
bool image_shows(const struct fleet *fleet, const char *path,
		 const char *parent);

#endif
