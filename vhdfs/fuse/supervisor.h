/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Supervisor: the process that mounts, and that starts the worker (worker.h),
 * its child, which answers the kernel's requests.
 *
 * Three things can end a worker while the mount stays in use; the programs that
 * use the mount see a pause and no error each time:
 *
 *   RESTART    The worker crashed.  The supervisor starts the next one, which
 *              opens again what was open (restore.h).
 *   HAND-OVER  On SIGHUP the worker flushes and exits; the supervisor executes
 *              the program that is installed now (upgrade.h), which starts a
 *              worker in the same way.
 *   RESUME     The supervisor was killed, and the worker with it.  If a service
 *              manager holds their descriptors, the next supervisor
 *              continues with them (fdstore.h).
 *
 * The supervisor has one thread, opens no image and answers no request, so it
 * hardly ever crashes itself.
 *
 * Supervisor and worker share their table of descriptors (clone, CLONE_FILES)
 * and the memory of io/recovery.h.  So the descriptors of a worker stay open
 * when it dies; the next one closes those that it does not need.
 */
#ifndef VHDFS_FUSE_SUPERVISOR_H
#define VHDFS_FUSE_SUPERVISOR_H

#include "fuse/options.h"

/*
 * Mounts, goes into the background if the options say so, and serves until the
 * mount is unmounted or a signal ends it.  Errors go to the log.  Returns the
 * exit status of the program.
 */
int supervise(struct options *options);

#endif
