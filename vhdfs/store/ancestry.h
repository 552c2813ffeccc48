/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What follows for an image from its parents and children. */
#ifndef VHDFS_STORE_ANCESTRY_H
#define VHDFS_STORE_ANCESTRY_H

#include "store/store-internal.h"

/* Brings what follows up to date, of all images. */
void ancestry_derive_locked(struct store *store);
/* The image's parent; null where it has none in the store. */
struct store_image *ancestry_parent_locked(const struct store *store,
					   const struct store_image *image);
/* What the image's time stamps, or its parents', warn of; null: nothing. */
const char *ancestry_warning_locked(const struct store *store,
				    const struct store_image *image);
/* An image of which that one may be the parent, for all that is known; null for
 * none. */
/* Why such an image is not written; takes the name of what
 * ancestry_unknown_child_locked says. */
#define ANCESTRY_UNKNOWN_CHILD                                          \
	"may be the parent of %s, whose own file does not say; repair " \
	"that, or move it out of the store"
const struct store_image *
ancestry_unknown_child_locked(const struct store *store,
			      const struct store_image *image);
/* An image that is, or for all that is known may be, a child of this one; null
 * for none. */
const char *ancestry_child_path_locked(const struct store *store,
				       const struct store_image *image);

#endif
