/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ancestry: depth, errors and children of each image, derived from the infos
 * of all images.  All functions are called with store.lock held, and those
 * below ancestry_derive_locked after it.  Texts and images that they return are
 * valid while the lock is held.
 */
#ifndef VHDFS_STORE_ANCESTRY_H
#define VHDFS_STORE_ANCESTRY_H

#include "store/store-internal.h"

/* Derives again where an info or a name has changed. */
void ancestry_derive_locked(struct store *store);
/* The image's parent; null: none, or outside of the store. */
struct store_image *ancestry_parent_locked(const struct store_image *image);
/* The warning of the image or of its nearest parent with one; null: none. */
const char *ancestry_warning_locked(const struct store_image *image);
/* Why an image with an unknown child is not written; takes the child's path. */
#define ANCESTRY_UNKNOWN_CHILD                                       \
	"may be the parent of %s, whose parent reference cannot be " \
	"read; repair that image or move it out of the store"
/* An image with an unknown parent, which this image may be; null: none. */
const struct store_image *
ancestry_unknown_child_locked(const struct store_image *image);
/* The path in the store of a child of this image, or of an image that may be
 * one; null: none. */
const char *ancestry_child_path_locked(const struct store_image *image);

#endif
