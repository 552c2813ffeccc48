/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Worker: the process that answers the kernel's requests.  Its parent is the
 * supervisor (supervisor.h), which starts the next worker when this one dies.
 */
#ifndef VHDFS_FUSE_WORKER_H
#define VHDFS_FUSE_WORKER_H

#include <signal.h>
#include <stdbool.h>

#include "fuse/mount.h"

/* The exit status of a worker that no signal kills. */
enum {
	/* The mount has ended, and all writes are in the images. */
	WORKER_DONE = 0,
	/* The mount has ended with an error, which is in the log. */
	WORKER_FAILED = 1,
	/* The images are flushed, and stay open for the next worker. */
	WORKER_HANDED_OVER = 3,
	/* The same, but a flush failed: some writes are only in the recovery
	 * memory. */
	WORKER_HANDED_OVER_UNFLUSHED = 4,
	/* It could not open what the worker before it had open; the error is in
	 * the log.  A later worker may succeed. */
	WORKER_NOT_STARTED = 5,
};

/*
 * From the supervisor: asks whether the worker serves.  From the worker: it
 * does. The worker sends it once when it begins to serve.  It answers a
 * question only while a thread waits for a request, or if one was read since
 * the last question.
 */
#define PULSE_SIGNAL SIGALRM

/*
 * Serves until the mount is unmounted or SIGTERM arrives, or SIGHUP from the
 * supervisor, which asks for a hand-over.  Returns an exit status.  First it
 * opens again what earlier workers had open (restore.h).
 *
 * Where nothing is mounted yet the worker opens the store, sends SIGUSR1 to the
 * supervisor, and waits for SIGUSR1, which says that mount->link is complete.
 * Unless options->foreground is set it has no terminal from then on, and logs
 * to syslog.
 *
 * The caller has blocked SIGUSR1, SIGUSR2, SIGTERM, SIGHUP and PULSE_SIGNAL.
 */
int worker_run(const struct mount *mount);

#endif
