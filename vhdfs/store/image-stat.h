/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image as stat of the mount shows it. */
#ifndef VHDFS_STORE_IMAGE_STAT_H
#define VHDFS_STORE_IMAGE_STAT_H

#include <stdbool.h>
#include <sys/stat.h>

struct store;
struct store_image;

/* The image's, which has a reference, by one of its names: -ESTALE where it has
 * none.  The lock is let go meanwhile. */
int image_stat_locked(struct store *store, struct store_image *image,
		      struct stat *ret_st);
/* Makes the view's stat of the file's. */
void image_stat_shape_locked(const struct store *store,
			     const struct store_image *image, struct stat *st);
/* Does its file system let the image be written, as it is now? */
bool image_fs_writable_locked(const struct store *store,
			      const struct store_image *image);
/* May the image be written, by what the catalog says? */
bool image_writable_locked(const struct store *store,
			   const struct store_image *image,
			   const struct stat *st);

#endif
