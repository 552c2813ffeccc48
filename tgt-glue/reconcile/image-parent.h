/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parents of the images in the store, as the mount tells them, or else the
 * files.
 *
 * A path that these functions return is in arena, relative to the store, with
 * links followed.  They return 0, or -errno with a message: the parent cannot
 * be determined.
 */
#ifndef TGT_GLUE_RECONCILE_IMAGE_PARENT_H
#define TGT_GLUE_RECONCILE_IMAGE_PARENT_H

#include "tgt-glue/config/fleet.h"

struct image; /* format/image.h */

/* Opens an image of the store read-only, without locks.  ret_real, which may be
 * null: its real path, which the caller frees. */
int image_open_quietly(const struct fleet *fleet, const char *path,
		       struct image **ret, char **ret_real);
/* *ret: the parent of the image; null: it has none. */
int image_parent_path(const struct fleet *fleet, struct arena *arena,
		      const char *image, const char **ret);
/* *ret: the nearest ancestor of the image for which matches(arg, PATH); null:
 * none. */
int image_ancestor(const struct fleet *fleet, struct arena *arena,
		   const char *image,
		   bool (*matches)(const void *arg, const char *path),
		   const void *arg, const char **ret);

#endif
