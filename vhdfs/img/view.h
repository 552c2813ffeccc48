/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Views: what the mounts on this host say of the clients of an image. */
#ifndef VHDFS_IMG_VIEW_H
#define VHDFS_IMG_VIEW_H

#include <stdbool.h>

/*
 * Do two numbers of changes, as the attribute user.vhdfs.writes of a view tells
 * them ("DISK BEGUN FLUSHED"), say that a client's changes are not flushed?
 */
bool view_writes_pending(const char *writes);

/*
 * Is a client's change of the image not flushed?  image is a path.  Asks each
 * mount that this process can see and whose store holds the image; false where
 * there is none.  Any thread may call it.
 */
bool view_is_pending(const char *image);

#endif
