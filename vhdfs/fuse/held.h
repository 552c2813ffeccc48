/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the service manager holds for a supervisor (systemd's file descriptor
 * store), so that the next supervisor goes on after the death of all processes:
 * the kept memory and the locked files (io/keep-store.c), and the kernel's
 * descriptor of the mount, by the name "fuse".  As long as the manager has
 * that, the mount does not die: what is asked of it waits.
 *
 * All of it does nothing unless the service's environment has NOTIFY_SOCKET and
 * FDSTORE, the number of descriptors that the manager takes.
 *
 * ORDER of a start, in which all processes may be killed between any two steps:
 *
 *   1. each file that a worker locks is stored from now on (held_enable)
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
 * proves it to the next mount: its state identifier (state.h) is a new one.
 *
 * ORDER of going on:
 *
 *   1. the processes of before have ended (keep_adopt)
 *   2. the memory is checked, and each file that was granted is there; else all
 *      is let go of, the dead mount is taken away, and a mount is made as if
 *      nothing had been held
 *   3. the attempt is counted: a supervisor that dies before a worker serves,
 *      so many times in a row, is not started like that again
 *   4. what the mount before left in /run/vhdfs is taken away
 *   5. all goes on as after the death of a worker
 */
#ifndef VHDFS_FUSE_HELD_H
#define VHDFS_FUSE_HELD_H

#include <stdbool.h>

#include "fuse/mount.h"
#include "fuse/options.h"

enum held {
	/* A fresh start. */
	HELD_NOTHING,
	/* The kept memory is there, the mount is to be made anew. */
	HELD_STATE,
	/* All of it. */
	HELD_MOUNT,
};

/* Did the manager give this process anything? */
bool held_is_given(void);

/*
 * Takes what was given: enum held.  With HELD_STATE and HELD_MOUNT the kept
 * memory is in place; *ret_fd is the mount's descriptor, or -1.  -errno with
 * words where nothing can be taken yet; it stays with the manager then.  The
 * paths in options are absolute.
 */
int held_take(const struct options *options, int *ret_fd);

void held_enable(const struct options *options);
/* Before a fresh start: a mount whose processes were killed before it was
 * stored is taken away. */
void held_clear_dead(const struct options *options);
/* Stores everything; says in the log where that fails. */
void held_store(const struct mount *mount, const struct options *options);
/* Takes everything back. */
void held_unstore(void);
/* Takes the mount's descriptor back, before that mount is taken away. */
void held_unstore_mount(void);
void held_store_mount(const struct mount *mount);

#endif
