/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supervisor's state, for its three files: supervisor.c, supervisor-start.c
 * and supervisor-worker.c.  All functions fail with -errno and error_text().
 */
#ifndef VHDFS_FUSE_SUPERVISOR_INTERNAL_H
#define VHDFS_FUSE_SUPERVISOR_INTERNAL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fuse/mount.h"
#include "fuse/pulse.h"
#include "fuse/worker.h"

struct supervisor {
	struct mount mount; /* its link is in memory that the workers share */
	pid_t worker;       /* 0: none runs */
	int64_t started;    /* when the worker was started; clock_us */
	unsigned n_crashes; /* in a row */
	int ending;         /* the signal that ends the mount, or 0 */
	struct pulse pulse;
	/* Resuming from the descriptor store has not succeeded yet: on failure
	 * the store keeps its descriptors, and the next supervisor tries. */
	bool resuming;
};

/* supervisor-start.c */

/* Mounts, or resumes the mount of an earlier supervisor, and starts a worker.
 * Logs its errors. */
int supervisor_start(struct supervisor *s);

/* supervisor-worker.c */

/* The signals that the supervisor waits for; they are always blocked. */
void supervisor_signals(sigset_t *set);

/* Starts a worker. */
int supervisor_start_worker(struct supervisor *s);
/* Passes on SIGHUP, for a hand-over, or another signal, which ends the mount.
 */
void supervisor_signal_worker(struct supervisor *s, int sig);
/* Ends the worker if it still runs. */
void supervisor_end_worker(struct supervisor *s);

/* After a worker has exited: closes the descriptors that the next worker does
 * not need. */
int supervisor_clean_descriptors(struct supervisor *s);
/* Replaces the mount: unmounts and mounts again.  Unanswered requests fail at
 * once; later system calls find the new mount. */
int supervisor_replace_mount(struct supervisor *s);

#endif
