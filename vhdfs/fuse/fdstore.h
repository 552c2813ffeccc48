/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the service manager holds for a supervisor (systemd's file descriptor
 * store), so that the next supervisor goes on after the death of all processes:
 * the kept memory and the locked files (io/recovery-fdstore.c), and the
 * kernel's descriptor of the mount, by the name "fuse".  As long as the manager
 * has that, the mount does not die: what is asked of it waits.
 *
 * All of it does nothing unless the service's environment has NOTIFY_SOCKET and
 * FDSTORE, the number of descriptors that the manager takes.
 *
 * ORDER of a start, in which all processes may be killed between any two steps:
 *
 *   1. each file that a worker locks is stored from now on (fdstore_enable)
 *   2. the mount is made
 *   3. "fuse" is stored
 *   4. "keep" is stored: from here on the next supervisor goes on
 *   5. the worker answers
 *
 * A mount that is made anew: "fuse" is taken back, the mount is made, its
 * descriptor is stored.  Without "fuse" the next supervisor makes the mount
 * anew itself, and what was answered is kept all the same.
 *
 * The end, and the exec of another version, which may not know any of this:
 * everything is taken back, "keep" first, before the unmount and the exec.  The
 * version that was exec'd does 1, 3 and 4.  Killed in between, what was
 * answered is in the images where the flush before succeeded, but nothing
 * proves it to the next mount: its state identifier (mount-state.h) is a new
 * one.
 *
 * ORDER of going on:
 *
 *   1. the processes of before have ended (recovery_adopt)
 *   2. the memory is checked, and each file that was granted is there; else all
 *      is let go of, the dead mount is taken away, and a mount is made as if
 *      nothing had been held
 *   3. the attempt is counted: a supervisor that dies before a worker serves,
 *      so many times in a row, is not started like that again
 *   4. what the mount before left in /run/vhdfs is taken away
 *   5. all goes on as after the death of a worker
 */
#ifndef VHDFS_FUSE_FDSTORE_H
#define VHDFS_FUSE_FDSTORE_H

#include <stdbool.h>

#include "fuse/mount.h"
#include "fuse/options.h"

enum fdstore_state {
	/* A fresh start. */
	FDSTORE_EMPTY,
	/* The kept memory is there, the mount is to be made anew. */
	FDSTORE_STATE,
	/* All of it. */
	FDSTORE_MOUNT,
};

/* Did the manager give this process anything? */
bool fdstore_is_given(void);

/*
 * Takes what was given: enum fdstore_state.  With FDSTORE_STATE and
 * FDSTORE_MOUNT the kept memory is in place; *ret_fd is the mount's descriptor,
 * or -1.  -errno with words where nothing can be taken yet; it stays with the
 * manager then.  The paths in options are absolute.
 */
int fdstore_take(const struct options *options, int *ret_fd);

void fdstore_enable(const struct options *options);
/* Before a fresh start: a mount whose processes were killed before it was
 * stored is taken away. */
void fdstore_clear_dead_mount(const struct options *options);
/* Stores everything; says in the log where that fails. */
void fdstore_put_all(const struct mount *mount, const struct options *options);
/* Takes everything back. */
void fdstore_remove_all(void);
/* Takes the mount's descriptor back, before that mount is taken away. */
void fdstore_remove_mount(void);
void fdstore_put_mount(const struct mount *mount);

#endif
