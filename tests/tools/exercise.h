/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of exercise (exercise.c describes it): a trace keeps the
 * operations, which workers do.
 */
#ifndef TESTS_TOOLS_EXERCISE_H
#define TESTS_TOOLS_EXERCISE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	THREADS_MAX = 26,
	/* The longest operation except punch and zero. */
	LENGTH_MAX = 1 << 20,
	/* Longer than any operation takes, on the busiest machine. */
	HANG_SECONDS = 240,
};

/* An operation that has started. */
struct record {
	uint64_t number; /* from 1, in the order of their starts */
	const char *name;
	unsigned thread;
	bool changes; /* the bytes from off on */
	uint64_t off;
	uint64_t len;
	uint64_t from; /* of a copy, else NO_OFFSET */
	atomic_bool done;
};

#define NO_OFFSET UINT64_MAX

/* The last operations.  Any thread may add to it. */
struct trace {
	struct record *records; /* a ring */
	atomic_uint_fast64_t n; /* all that were added */
};

int trace_init(struct trace *trace);
/* Valid until that many more operations have begun. */
struct record *trace_begin(struct trace *trace, unsigned thread,
			   const char *name);
/* Prints the last n operations, oldest first, to standard error. */
void trace_print(const struct trace *trace, uint64_t n);
/* Prints the last operation that changed the byte, to standard error. */
void trace_print_change(const struct trace *trace, uint64_t off);

/* One disk and its model; all but the counters are fixed during a round. */
struct exercise {
	const char *view;
	int model; /* the plain file */
	uint64_t size;
	uint64_t block; /* size of the image's blocks */
	uint64_t seed;
	uint64_t operations; /* of each thread in a round */
	uint64_t shown;      /* operations printed when data is wrong */
	uint64_t only;       /* bits of operations, see operation_bit */
	/* The number of the change that is not made in the view; 0: none. */
	uint64_t lose;
	atomic_uint_fast64_t changes;
	struct trace trace;

	uint64_t round; /* from 1 */
	unsigned threads;
	/* The bytes are divided among the threads in units of this size: unit i
	 * is that of thread i modulo threads. */
	uint64_t unit;
	bool cached;             /* may views be opened for reading only? */
	pthread_barrier_t start; /* of several threads at once */
	uint64_t fresh;          /* the start of a block that is to be filled */
	/* For the thread that reads while others work: */
	atomic_bool ended;
	atomic_uint_fast64_t recent; /* where the last change began */
};

/* A thread, with its descriptors and mappings. */
struct worker {
	struct exercise *x;
	unsigned me; /* THREADS_MAX: the main thread, which owns every byte */
	uint64_t random;
	struct record *record; /* the operation that runs */
	int fd;                /* of the view, for reading and writing */
	int reader;            /* for reading only, or -1 */
	/* A shared mapping of the whole view through reader, or null. */
	const uint8_t *map;
	uint8_t *got; /* LENGTH_MAX bytes each */
	uint8_t *want;
};

void worker_init(struct worker *w, struct exercise *x, unsigned me);
void worker_fini(struct worker *w);
/* Does one operation and checks its result (exercise-ops.c). */
void worker_step(struct worker *w);
/* Compares the whole disk, through the page cache or past it. */
void worker_verify(struct worker *w, bool cached);
/* Writes zeros to half of the blocks, so that they are allocated anew. */
void worker_clear(struct worker *w);
/* Writes to the same one of those blocks as all other threads, at once. */
void worker_rush(struct worker *w);
/* Reads at random offsets until the round has ended, so that pages are in the
 * cache, and are being read into it, while others write. */
void worker_disturb(struct worker *w);

/* Around each operation: adds it to the trace, and limits its time. */
void work_begin(struct worker *w, const char *name);
void work_done(struct worker *w);
/* A change begins.  Is it the one that the view must not get? */
bool work_loses(struct worker *w);

/* The parts of operations (exercise-work.c). */
void read_model(struct worker *w, uint8_t *buf, uint64_t off, size_t len);
void write_model(struct worker *w, const uint8_t *buf, uint64_t off,
		 size_t len);
/* fallocate of the operation's range, in the view and the model. */
void zero_both(struct worker *w, int mode);
/* Compares got, which was read at off, with the model. */
void compare(struct worker *w, const char *how, const uint8_t *got,
	     uint64_t off, size_t len);
void open_writer(struct worker *w, int flags);
void have_reader(struct worker *w);
/* file_first: the mapping keeps the file open a little longer. */
void drop_reader(struct worker *w, bool file_first);

/* Random numbers and ranges (exercise-range.c). */
uint64_t mix(uint64_t z);
uint64_t below(struct worker *w, uint64_t limit);
void choose_range(struct worker *w, uint64_t *ret_off, uint64_t *ret_len);
/* Chooses the range of the current operation. */
void own_range(struct worker *w);
/* Often whole blocks, if the thread owns whole blocks. */
void own_range_to_clear(struct worker *w);
/* The end of the unit that contains off. */
uint64_t copyup_end(const struct exercise *x, uint64_t off);
/* A nearby byte of the thread's own. */
uint64_t own_byte(const struct worker *w, uint64_t off);

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Its bit in exercise.only; 0: unknown operation. */
uint64_t operation_bit(const char *name);

/* Prints the message and the last operations, and ends the program with 1. */
_Noreturn void give_up(struct exercise *x, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* As give_up, unless ok: the system call has failed. */
void must(struct worker *w, bool ok, const char *call);
/* Fails if the two differ: prints the offset, and the operation that changed it
 * last. */
void must_be_equal(struct worker *w, const char *how, uint64_t off,
		   const uint8_t *want, const uint8_t *got, size_t len);

#endif
