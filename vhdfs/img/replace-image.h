/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replacement of a parent that is in use by its equal, on another parent.
 *
 * An image that is open as a parent is not written, not even where nothing that
 * it shows would change: its readers have its tables in memory.  So a new file
 * is written, with the same contents and the same identity, and takes the name.
 * Programs that have the old file open go on with it.
 *
 * ORDER
 *   1. open the image and the new parent for reading, locked against writers
 *   2. write .NAME.leaf: a child of the new parent, with the identity of the
 *      image; mark it; see whether there is room for its contents; these,
 *      flushed now and then; close it, so that it has no log
 *   3. give it the owner, the mode, the attributes and the modification time of
 *      the image: children compare the time; remove the mark; sync
 *   4. remove the new parent's write bits, sync it
 *   5. rename .NAME.leaf to NAME; sync the directory
 *
 * A crash before 5 leaves .NAME.leaf.  The next replacement by a child of the
 * same parent continues it, if it has the mark: the file was complete, but for
 * contents, before it got that.  No record says which contents are durable: all
 * are compared with those of the image, as those of a new file are, and the
 * image never shows others (promise 4).  Else the next replacement removes it,
 * as a rebase in place, one that has no room beside it, and delete-snapshot do
 * in any case.  --unsafe compares nothing, and begins
 * anew.
 */
#ifndef VHDFS_IMG_REPLACE_IMAGE_H
#define VHDFS_IMG_REPLACE_IMAGE_H

#include <stdint.h>

#include "img/image-roots.h"
#include "img/rebase-options.h"

/*
 * Replaces the image at path image, an operand, by a child of the image at path
 * parent, another one (null: a dynamic image), which shows the same.  The image
 * has no write permission. unsafe: what it stores is copied, and it shows what
 * the parent shows elsewhere.  *ret_copied: bytes that were written.  Shows
 * progress.
 *
 * 0, or -errno with a message, and nothing has changed: -EBUSY: the image may
 * be written, or another program replaces it; -ENOSPC: see rebase_options.room;
 * or as rebase_image.
 */
int replace_image(const struct image_roots *roots, const char *image,
		  const char *parent, const struct rebase_options *options,
		  uint64_t *ret_copied);

/* Removes what a replacement of the image that was killed left, if that is not
 * needed any more, or is in the way.  Keeps the last error. */
void replace_image_remove_rest(const struct image_roots *roots,
			       const char *image);

#endif
