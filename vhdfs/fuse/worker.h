/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process that answers what is asked of the mount. */
#ifndef VHDFS_FUSE_WORKER_H
#define VHDFS_FUSE_WORKER_H

#include <signal.h>
#include <stdbool.h>

#include "fuse/mount.h"
#include "fuse/requests.h"

/* How it ends, unless a signal ends it. */
enum {
	WORKER_DONE = 0,   /* all that was written is in the images */
	WORKER_FAILED = 1, /* not so, or it could not serve; said in the log */
	/* What is open was flushed and stays open for the next worker. */
	WORKER_LEFT = 3,
	/* The same; but something could not be flushed, and only what is kept
	 * has it. */
	WORKER_LEFT_UNSAFE = 4,
	/* It could not go on with what was there; said in the log.  Another may
	 * be able to, later. */
	WORKER_NOT_STARTED = 5,
};

/*
 * From the parent: does the worker serve?  From the worker: it does.  It says
 * so once when it begins to, and then as an answer, as long as a thread of it
 * waits for a request or one was taken since it was asked before.
 */
#define PULSE_SIGNAL SIGALRM

enum worker_kind {
	/* There is no mount yet: it opens the store, tells the parent so with
	 * SIGUSR1, and waits for that signal, which says that mount is set. */
	WORKER_FIRST,
	/* There is one that nobody has answered yet. */
	WORKER_NEW_MOUNT,
	/* Another worker answered before, and died or left. */
	WORKER_NEXT,
};

/*
 * Serves until the mount is gone or SIGTERM comes; or SIGHUP, from the parent
 * only, which asks it to leave things to the next worker.  Returns one of the
 * above.  What another worker had open is opened again (restore.h).
 *
 * background: from the mount on it has no terminal, and its log goes to syslog.
 *
 * SIGUSR1, SIGUSR2, SIGTERM, SIGHUP and PULSE_SIGNAL are blocked.
 */
int worker_run(enum worker_kind kind, const struct mount *mount,
	       const struct store_options *store_options, bool background);

#endif
