/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image that is in the making, to be filled. */
#ifndef VHDFS_IMG_TARGET_H
#define VHDFS_IMG_TARGET_H

#include "format/image.h"
#include "store/draft.h"

/* Opens the image that was created in the draft's file, for writing. */
int target_open(const struct draft *draft, const struct image_ops *ops,
		struct image **ret);
/*
 * A fixed image that was just created has its blocks in holes of the file:
 * takes the space for them, so that the disk under it cannot become full later.
 */
int target_reserve(struct image *img);

#endif
