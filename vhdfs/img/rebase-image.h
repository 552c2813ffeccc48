/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rebase of an image file: a child shows what it showed, on another parent or
 * without one. */
#ifndef VHDFS_IMG_REBASE_IMAGE_H
#define VHDFS_IMG_REBASE_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "img/image-roots.h"

/*
 * Makes the child at path image, an operand, a child of the image at path
 * parent, another operand; parent null: makes it a dynamic image.  unsafe: does
 * not compare contents; with a parent only.  *ret_copied: bytes that were
 * copied to the child.  Shows progress.
 *
 * 0, or -errno with a message; then the child shows what it showed, on its old
 * parent.  -EINVAL: the parent does not fit; -ELOOP: it is a child of the
 * image; -EBUSY: one of the files is in use; -ENOSPC: no room for the copies.
 */
int rebase_image(const struct image_roots *roots, const char *image,
		 const char *parent, bool unsafe, uint64_t *ret_copied);

#endif
