/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mount point: what is mounted there already, and the lock of a mount. */
#ifndef VHDFS_FUSE_MOUNTPOINT_H
#define VHDFS_FUSE_MOUNTPOINT_H

#include <stdbool.h>

/*
 * Is the directory whose absolute path is point free for the store whose
 * absolute path is root?  It is where nothing is mounted on it, or another file
 * system than vhdfs, which is mounted over, as mount(8) does.  Else, with
 * words: -EALREADY where that store is mounted there; -EBUSY where it is with
 * another ro or rw, or where another store is; -ENOTCONN where the process
 * that served what is mounted there has died.
 */
int mountpoint_check(const char *root, const char *point, bool read_only);

/* Is the store whose absolute path is root mounted topmost at point?  The
 * process that serves is not asked. */
bool mountpoint_is_mounted(const char *root, const char *point);

/* Unmounts a mount of that store whose process has died, where there is one at
 * point.  A mount that is served stays. */
void mountpoint_clear_dead(const char *root, const char *point);

/*
 * Of all programs that mount a store there, one at a time has the lock: from
 * its check until its mount is made.  *ret_fd is to be closed; it is -1 where
 * the directory cannot be locked.  -errno with words.
 */
int mountpoint_lock(const char *point, int *ret_fd);

#endif
