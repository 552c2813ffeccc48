/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image that is in the making, to be filled. */
#ifndef VHDFS_IMG_OUTPUT_H
#define VHDFS_IMG_OUTPUT_H

#include "format/image.h"
#include "io/atomic-file.h"

/* Opens the image that was created in the draft's file, for writing. */
int output_open(const struct atomic_file *file, const struct image_ops *ops,
		struct image **ret);
/*
 * A fixed image that was just created has its blocks in holes of the file:
 * takes the space for them, so that the disk under it cannot become full later.
 */
int output_reserve(struct image *img);

#endif
