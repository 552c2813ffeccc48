/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process that stays.  It mounts, and starts a worker (worker.h) that
 * answers; when the worker dies, the next one goes on with what it had open,
 * and those who use the mount see a pause and no error.  On SIGHUP it becomes
 * the program that is installed now, in the same way.
 *
 * It has one thread, opens no image and answers nothing, so that little can
 * happen to it.  If it is killed all the same, its worker ends with it, and the
 * next supervisor goes on where a service manager holds what they had
 * (fdstore.h).
 *
 * WHAT IS SHARED with the worker: the table of descriptors (clone, CLONE_FILES)
 * and the memory of io/recovery.h.  So all that the worker has open stays open
 * when it dies; what it had no use for any more is closed here.
 */
#ifndef VHDFS_FUSE_SUPERVISOR_H
#define VHDFS_FUSE_SUPERVISOR_H

#include "fuse/options.h"

/*
 * Mounts, goes into the background where the options say so, and serves until
 * the mount is gone or a signal ends it.  The exit status of the program; what
 * failed was said in the log.
 */
int supervise(struct options *options);

#endif
