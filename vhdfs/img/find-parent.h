/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for a parent by its identity, whatever its name. */
#ifndef VHDFS_IMG_FIND_PARENT_H
#define VHDFS_IMG_FIND_PARENT_H

#include "format/image.h"

/*
 * *ret: the path of an image below dir that has the identity that ref, a
 * reference of the image named child, asks for; of several the first by path.
 * The caller frees it.  Symbolic links are not followed; files that are not
 * images are skipped.  -ENOENT with a message: there is none.
 */
int find_parent(const char *dir, const char *child,
		const struct parent_ref *ref, char **ret);

#endif
