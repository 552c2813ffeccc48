/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A source disk: an operand that is an image with its parents, or a raw disk.
 */
#ifndef VHDFS_IMG_SOURCE_H
#define VHDFS_IMG_SOURCE_H

#include "img/image-roots.h"

/* True if the path ends as the name of an image.  Such a file is never read as
 * a raw disk: it may be a damaged image. */
bool source_named_as_image(const char *path);

/*
 * 0 if the file, which is no image, may be read as a raw disk, else -errno with
 * a message: it is a container of another program (format/foreign.h).  A view
 * of a mount is a raw disk, whatever its guest wrote at the beginning.
 */
int source_check_raw(struct io *io);

/* Opens the operand path for reading, and locks it against writers.  Errors:
 * those of chain_open and source_check_raw. */
int source_open(const struct image_roots *roots, const char *path,
		struct chain **ret);

#endif
