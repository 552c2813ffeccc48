/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ancestors of the images in the store.
 *
 * A path that these functions return is in arena, relative to the store, with
 * links followed.  They return 0, or -errno with a message: a parent cannot be
 * determined.
 */
#ifndef TGT_GLUE_RECONCILE_ANCESTORS_H
#define TGT_GLUE_RECONCILE_ANCESTORS_H

#include "tgt-glue/config/fleet.h"

/* *ret: the parent of the image; null: it has none. */
int image_parent_of(const struct fleet *fleet, struct arena *arena,
		    const char *image, const char **ret);
/* *ret: the nearest ancestor of the image for which matches(arg, PATH); null:
 * none. */
int image_ancestor(const struct fleet *fleet, struct arena *arena,
		   const char *image,
		   bool (*matches)(const void *arg, const char *path),
		   const void *arg, const char **ret);

#endif
