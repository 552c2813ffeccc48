/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mount point: checks what is mounted there, and locks it while mounting. */
#ifndef VHDFS_FUSE_MOUNTPOINT_H
#define VHDFS_FUSE_MOUNTPOINT_H

#include <stdbool.h>

#include "fuse/options.h"

/* The paths in options are absolute. */

/*
 * Can the store be mounted?  0 if no vhdfs is mounted at the mount point;
 * another file system is mounted over, as mount(8) does. Else, with
 * error_text():
 *
 *   -EALREADY   this store is mounted there
 *   -EBUSY      it is, but as ro instead of rw or the reverse; or another store
 *               is
 *   -ENOTCONN   a vhdfs is mounted there whose processes have died
 */
int mountpoint_check(const struct options *options);

/* Is this store mounted topmost there?  Does not wait for the worker. */
bool mountpoint_is_mounted(const struct options *options);

/* Unmounts a mount of this store whose processes have died.  Does nothing if
 * there is none, or if it is served. */
void mountpoint_clear_dead(const struct options *options);

/*
 * Excludes other vhdfs programs that mount at the same point, from the check
 * until the mount is made.  The caller closes *ret_fd, which is -1 if the file
 * system does not lock directories.  Waits for the lock for 60 s, or until
 * SIGINT or SIGTERM is pending: -EBUSY or -ECANCELED with error_text().
 */
int mountpoint_lock(const char *point, int *ret_fd);

#endif
