/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rename of an image together with its snapshots, and with the old images that
 * were put aside for it; their children in the directory name them anew.
 *
 * No program has one of these images open.  Every image of the directory finds
 * its parents at every moment.  A crash leaves a record, from which the next
 * call finishes or undoes the rename; image-rename.c states the order.
 *
 * THREADS: each call works on descriptors of its own.  Calls for one image, of
 * any processes, exclude each other by the image's lock.
 */
#ifndef VHDFS_STORE_IMAGE_RENAME_H
#define VHDFS_STORE_IMAGE_RENAME_H

#include <stdbool.h>

#include "store/rename-request.h"

/*
 * Renames.  0, or -errno with a message, and all is as it was:
 *   -EBUSY    another process has one of the images open, or changed one of
 *             them just now
 *   -EEXIST   a file has one of the new names
 *   -ENOENT   the image has the name to, and no snapshot has the name from
 *   -EINVAL   the image is itself a snapshot
 *   -EPERM, -EOPNOTSUPP  the file system refuses hard links
 * and the errors of root_dir_open, image_open and image_set_parent.  After a
 * failure of which the message says so, the next call finishes or undoes it.
 */
int image_rename(const struct image_rename *request);

/* Is there a rename to or from the image at path that was not ended? */
bool image_rename_is_pending(const struct root_dir *rootdir, const char *image);
/*
 * Finishes or undoes a rename to or from the image at real; does nothing if
 * there is none.  *ret_done, if not null: it was one between the request's
 * names, and was finished; the names may be null otherwise.
 */
int image_rename_recover(const struct image_rename *request, bool *ret_done);

#endif
