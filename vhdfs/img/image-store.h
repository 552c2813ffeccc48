/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store of an image: the directory that is searched for its children.
 *
 * For the main thread.
 */
#ifndef VHDFS_IMG_IMAGE_STORE_H
#define VHDFS_IMG_IMAGE_STORE_H

#include "img/image-roots.h"
#include "store/store.h"

/*
 * Opens, read only, the store of the image at path real, which image_roots_real
 * returned: --store; the store of a mount; else the directory above that of the
 * image, for a store has masters and clients in directories beside each other.
 * 0, or -errno with a message; the caller calls store_close.
 */
int image_store_open(const struct image_roots *roots, const char *real,
		     struct store **ret);

#endif
