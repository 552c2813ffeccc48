/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pause points: stop a thread at a chosen file operation until the test resumes
 * it, so that a race is deterministic: "stop the second write of thread 1
 * before it is done".
 *
 * Pausing is attached to an open struct io of any back-end and ends when that
 * is closed.  Operations without a PAUSE_ flag are not intercepted.
 */
#ifndef VHDFS_TESTS_IO_PAUSE_H
#define VHDFS_TESTS_IO_PAUSE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum {
	PAUSE_READ = 1,
	PAUSE_WRITE = 2,
	PAUSE_SYNC = 4,
	PAUSE_RESIZE = 8,
	PAUSE_PUNCH = 16,
	/* All operations that change the file or make it durable. */
	PAUSE_CHANGE = PAUSE_WRITE | PAUSE_SYNC | PAUSE_RESIZE | PAUSE_PUNCH,
};

enum pause_when {
	PAUSE_BEFORE,
	PAUSE_HALFWAY, /* a write: after its first half; others: before */
	PAUSE_AFTER,
};

/* Stops one operation.  The test sets the first part and does not change it
 * between pause_arm and pause_resume. */
struct pause_point {
	const char *name; /* for the message if no thread stops */
	unsigned ops;     /* PAUSE_ flags */
	unsigned actor;   /* see pause_act; 0: any thread */
	/* Only operations on this range of the file; len 0: all.  The range of
	 * a sync is empty, that of a resize is the byte at the new size. */
	uint64_t off, len;
	unsigned skip; /* number of matching operations not to stop */
	enum pause_when when;
	int error; /* not 0: the operation is not done and returns this; not
		      with PAUSE_HALFWAY */

	/* Protected by the lock of pause. */
	struct pause *pause;
	struct pause_point *next;
	unsigned passed; /* matching operations so far */
	bool taken, stopped, resumed;
	unsigned op; /* PAUSE_ flag of the stopped operation */
};

/* An operation, for a listener. */
struct pause_op {
	unsigned op; /* PAUSE_ flag */
	const void *buf;
	uint64_t off, len; /* a resize: off is the size */
	uint64_t mark;     /* the listener's, from begins to done */
};

/* Called for every operation: before it begins, and after its success.  Called
 * without a lock; not while the operation is stopped. */
struct pause_listener {
	void (*begins)(struct pause_listener *l, struct pause_op *op);
	void (*done)(struct pause_listener *l, const struct pause_op *op);
};

/* Attaches to io, before other threads use it.  listener may be null. */
struct pause *pause_attach(struct io *io, struct pause_listener *listener);
/* Syncs do nothing from now on: faster, if a listener models durability. */
void pause_skip_syncs(struct pause *pause);
/* Sets the actor number of the calling thread. */
void pause_act(unsigned actor);

void pause_arm(struct pause *pause, struct pause_point *point);
/* True if a thread has stopped at the point. */
bool pause_reached(struct pause_point *point);
/* Waits until a thread stops at the point; fails the test after a minute. */
void pause_wait(struct pause_point *point);
/* Disarms the point and resumes its thread. */
void pause_resume(struct pause_point *point);
/* The same for all points: for the end of a failed test. */
void pause_resume_all(struct pause *pause);
/* Number of operations of these kinds that have begun. */
unsigned pause_count(struct pause *pause, unsigned ops);

#endif
