/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the supervisor tells the service manager of its worker: that it serves,
 * that it is handing over, and that it is alive. */
#ifndef VHDFS_FUSE_PULSE_H
#define VHDFS_FUSE_PULSE_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

/* All zeros at first.  For one thread. */
struct pulse {
	bool ready;   /* the manager was told that a worker serves */
	bool leaving; /* the worker was asked to end, or to leave things to the
			 next one ... */
	struct timespec left_at; /* ... at this time */
	/* Why the program that was installed then was not exec'd, or "". */
	char not_upgraded[256];
};

/* Before the worker is asked to end; reloading: another one goes on. */
void pulse_leave(struct pulse *pulse, bool reloading);

/*
 * The worker said that it serves: tells the manager, READY=1 where that was not
 * told yet.  A message for which the manager has no room for 30 s is sent again
 * with the next pulse.
 */
void pulse_note(struct pulse *pulse);

/*
 * Asks the worker whether it serves (PULSE_SIGNAL).  A worker that flushes
 * everything, at its end or for the next one, does not answer: it has two times
 * the manager's watchdog for that.
 */
void pulse_take(struct pulse *pulse, pid_t worker);

#endif
