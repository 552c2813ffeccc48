/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pending writes: does a client of a mount have unflushed changes in an image?
 *
 * A mount shows each image as a raw file, its view.  The view's attribute
 * user.vhdfs.writes is "DISK BEGUN FLUSHED": two counters of the changes that
 * clients have begun, and of those that are flushed.
 */
#ifndef VHDFS_IMG_PENDING_WRITES_H
#define VHDFS_IMG_PENDING_WRITES_H

#include <stdbool.h>

/* Does this value of user.vhdfs.writes say that changes are unflushed? */
bool pending_writes_of_view(const char *writes);

/*
 * The same of the image at a path, in each vhdfs mount that this process can
 * see and whose store contains the image.  False if there is no such mount.
 * Any thread may call it.
 */
bool pending_writes_exist(const char *image);

#endif
