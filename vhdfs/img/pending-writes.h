/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Views: what the mounts on this host say of the clients of an image. */
#ifndef VHDFS_IMG_PENDING_WRITES_H
#define VHDFS_IMG_PENDING_WRITES_H

#include <stdbool.h>

/*
 * Do two numbers of changes, as the attribute user.vhdfs.writes of a view tells
 * them ("DISK BEGUN FLUSHED"), say that a client's changes are not flushed?
 */
bool pending_writes_of_view(const char *writes);

/*
 * Is a client's change of the image not flushed?  image is a path.  Asks each
 * mount that this process can see and whose store holds the image; false where
 * there is none.  Any thread may call it.
 */
bool pending_writes_exist(const char *image);

#endif
