/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stops threads in the middle of what they do to a file, so that a race is
 * scripted and not hoped for: "the second write of thread 1 stops before it is
 * done, until told to go on".
 *
 * It is attached to a struct io that is open, whichever back-end that has, and
 * goes when that is closed.  Operations that are not named here go straight to
 * the back-end.
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
	/* All that changes the file, or makes it durable. */
	PAUSE_CHANGE = PAUSE_WRITE | PAUSE_SYNC | PAUSE_RESIZE | PAUSE_PUNCH,
};

enum pause_when {
	PAUSE_BEFORE,
	PAUSE_HALFWAY, /* a write, half of it done; others as before */
	PAUSE_AFTER,
};

/*
 * Where to stop.  The test fills in the first part, which is not changed
 * between pause_arm and pause_resume; each point stops one operation.
 */
struct pause_point {
	const char *name; /* for the message when nobody comes */
	unsigned ops;     /* PAUSE_ flags */
	unsigned actor;   /* 0: whoever comes */
	/* Operations that touch the range in the file; len 0: all. A sync
	 * touches none, a resize the byte at the new end. */
	uint64_t off, len;
	unsigned skip; /* let so many pass that would have stopped */
	enum pause_when when;
	int error; /* not 0: it is not done, and answers this in the end; not
		      with PAUSE_HALFWAY */

	/* The rest is under the lock of what it is armed at. */
	struct pause *pause;
	struct pause_point *next;
	unsigned passed;
	bool taken, stopped, restored;
	unsigned op; /* what stopped */
};

/* One operation, for who listens. */
struct pause_op {
	unsigned op; /* PAUSE_ flag */
	const void *buf;
	uint64_t off, len; /* a resize: off is the size */
	uint64_t mark;     /* the listener's, kept from begins to done */
};

/* Hears of every operation: before it begins, and when it has succeeded; the
 * listener sees to its own locks. Called outside all stops. */
struct pause_listener {
	void (*begins)(struct pause_listener *l, struct pause_op *op);
	void (*done)(struct pause_listener *l, const struct pause_op *op);
};

/* Attaches; before other threads use io. */
struct pause *pause_attach(struct io *io, struct pause_listener *listener);
/* Syncs no longer reach the back-end: where a listener says what is durable,
 * the disk need not be waited for. */
void pause_skip_syncs(struct pause *pause);
/* The calling thread is this actor from now on. */
void pause_act(unsigned actor);

void pause_arm(struct pause *pause, struct pause_point *point);
/* Has somebody stopped there? */
bool pause_reached(struct pause_point *point);
/* Waits for it, and fails the test when nobody comes within a minute. */
void pause_wait(struct pause_point *point);
/* Who stopped there goes on; where nobody did, nobody will. */
void pause_resume(struct pause_point *point);
/* For the end of a test that failed. */
void pause_resume_all(struct pause *pause);
/* How many operations of these kinds have begun. */
unsigned pause_count(struct pause *pause, unsigned ops);

#endif
