/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Renames of images with their snapshots, and recovery from those that were
 * interrupted.
 *
 * For the main thread.
 */
#ifndef VHDFS_IMG_RENAME_RECOVER_H
#define VHDFS_IMG_RENAME_RECOVER_H

#include "img/image-roots.h"
#include "store/image-rename.h"

/*
 * Finishes or undoes a rename to or from the image at path real, which
 * image_roots_real returned, that was interrupted; cheap if there is none.  0,
 * or -errno with a message.  *ret_done, if not null: that was a rename between
 * these file names, and it was finished.
 */
int rename_recover(const struct image_roots *roots, const char *real,
		   const char *from, const char *to, bool *ret_done);

/* image_rename for the image at path real, which image_roots_real returned.
 * Also -EBUSY if an image in another directory has one of them as its parent.
 */
int rename_with_snapshots(const struct image_roots *roots, const char *real,
			  const char *from, const char *to);

#endif
