/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a reader of an image to its writer; for chain.c. */
#ifndef VHDFS_CHAIN_LOCK_UPGRADE_H
#define VHDFS_CHAIN_LOCK_UPGRADE_H

#include "chain/chain.h"

/*
 * Puts in place of *image, which is open for reading and locked, the same open
 * for writing and locked so.  path is where its file is in place now; -EAGAIN
 * where that is another file.  Whatever fails, *image is as before.
 */
int lock_upgrade(const struct root_dir *rootdir, const char *path,
		 struct image **image);

#endif
