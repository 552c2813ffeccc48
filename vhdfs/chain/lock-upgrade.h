/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Change of an open image's lock from shared to exclusive. */
#ifndef VHDFS_CHAIN_LOCK_UPGRADE_H
#define VHDFS_CHAIN_LOCK_UPGRADE_H

#include "format/image.h"

struct root_dir; /* io/rootdir.h */

/*
 * *image is open for reading and has a shared lock.  Replaces it by the same
 * image, open for writing and locked exclusively; the old one is closed.  path:
 * where its file is in rootdir now.  On error *image is unchanged.  -EAGAIN:
 * path leads to another file.  -EBUSY: another process has the file locked.
 */
int lock_upgrade(const struct root_dir *rootdir, const char *path,
		 struct image **image);

#endif
