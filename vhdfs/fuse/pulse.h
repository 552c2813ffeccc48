/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pulse: what the supervisor tells its service manager about the worker: that
 * it serves (READY=1), that it hands over (RELOADING=1), and that it is alive
 * (WATCHDOG=1).  Only the supervisor's one thread uses it.
 */
#ifndef VHDFS_FUSE_PULSE_H
#define VHDFS_FUSE_PULSE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* All zeros at first. */
struct pulse {
	bool ready;       /* READY=1 was sent for this worker */
	bool worker_ends; /* it was asked to end or to hand over ... */
	int64_t asked_at; /* ... at this time; clock_us */
	/* Why the last hand-over did not start the installed program, or "". */
	char not_upgraded[256];
};

/* Before the worker is asked to end, or, with reloading, to hand over. */
void pulse_worker_ends(struct pulse *pulse, bool reloading);

/*
 * The worker has sent PULSE_SIGNAL: tells the manager, with READY=1 unless that
 * was sent.  If the manager has no room for the message for 30 s, the next
 * pulse sends it again.
 */
void pulse_received(struct pulse *pulse);

/*
 * Asks the worker whether it serves, with PULSE_SIGNAL.  A worker that flushes,
 * for its end or for a hand-over, cannot answer: for twice the manager's
 * watchdog time it counts as alive.
 */
void pulse_check(struct pulse *pulse, pid_t worker);

#endif
