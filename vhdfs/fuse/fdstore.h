/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptor store: what the service manager (systemd's file descriptor store)
 * holds for the supervisor, so that the mount survives the death of all its
 * processes.
 *
 * Stored are the recovery memory ("keep") and the locked files
 * (io/recovery-fdstore.c), and the kernel's descriptor of the mount ("fuse").
 * While the manager has "fuse" open the mount exists, and requests wait.
 *
 * Without NOTIFY_SOCKET and FDSTORE in the environment these functions do
 * nothing.  FDSTORE is how many descriptors the manager takes.
 *
 * ORDER of a fresh start; all processes may be killed after any step:
 *
 *   1. from now on, store each file that a worker locks (fdstore_enable)
 *   2. mount
 *   3. store "fuse"
 *   4. store "keep": from now on the next supervisor can resume
 *   5. the worker serves
 *
 * When the mount is replaced: remove "fuse", mount again, store the new "fuse".
 * Killed in between, the next supervisor finds no "fuse" and mounts again
 * itself; answered writes are in the recovery memory.
 *
 * At the end, and before another version is executed, which may not know the
 * store: remove everything, "keep" first; then unmount or exec.  The new
 * version does steps 1, 3 and 4.  Killed in between, answered writes are in the
 * images if the flush before succeeded; but the next mount has no proof of
 * that, and gets a new state identifier (mount-state.h).
 *
 * ORDER of a resume (fdstore_take):
 *
 *   1. wait until the earlier processes have ended (recovery_adopt)
 *   2. check the memory, and that each locked file is there.  If not, drop
 *      everything, unmount the dead mount, and make a fresh start.
 *   3. count the attempt: after ATTEMPTS_MAX supervisors in a row that died
 *      before a worker served, step 2 fails
 *   4. remove the state identifier that an earlier mount saved in /run/vhdfs
 *   5. continue as after a worker's death
 */
#ifndef VHDFS_FUSE_FDSTORE_H
#define VHDFS_FUSE_FDSTORE_H

#include <stdbool.h>

#include "fuse/mount.h"
#include "fuse/options.h"

/* Did the manager pass descriptors to this process? */
bool fdstore_is_given(void);

/*
 * Takes over the descriptors that the manager passed.  1: the recovery memory
 * is in use; *ret_fd is the kernel's descriptor of the mount, or -1: the mount
 * must be replaced.  0: nothing usable, a fresh start.  -errno with
 * error_text() if that is not possible yet; then the manager keeps them.  The
 * paths in options are absolute.
 */
int fdstore_take(const struct options *options, int *ret_fd);

/* Reads the environment; enables all functions below. */
void fdstore_enable(const struct options *options);
/* Before a fresh start: unmounts a dead mount, whose processes were killed
 * before it was stored. */
void fdstore_clear_dead_mount(const struct options *options);
/* Stores the mount, the files and the recovery memory.  Errors are logged. */
void fdstore_put_all(const struct mount *mount);
/* Removes everything from the store. */
void fdstore_remove_all(void);
/* Removes the mount's descriptor, before that mount is unmounted. */
void fdstore_remove_mount(void);
/* Stores the descriptor of a new mount.  Errors are logged. */
void fdstore_put_mount(const struct mount *mount);

#endif
