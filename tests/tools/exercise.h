/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of exercise (exercise.c says what it does): what is done is kept
 * in a trace, operations are done by workers.
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
	/* The longest operation but for punch and zero. */
	LENGTH_MAX = 1 << 20,
	/* No operation takes as long, on the busiest machine. */
	HANG_SECONDS = 240,
};

/* An operation that was begun. */
struct record {
	uint64_t number; /* from 1, in the order in which they began */
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
	atomic_uint_fast64_t n; /* that ever were */
};

int trace_init(struct trace *trace);
/* Valid until many more operations have begun. */
struct record *trace_begin(struct trace *trace, unsigned thread,
			   const char *name);
/* The last so many, oldest first, to standard error. */
void trace_print(const struct trace *trace, uint64_t n);
/* The last operation that changed the byte, to standard error. */
void trace_print_change(const struct trace *trace, uint64_t off);

/* One disk and its model; all but the counters are fixed during a round. */
struct exercise {
	const char *view;
	int model; /* the plain file */
	uint64_t size;
	uint64_t block; /* of the image: what is stored at a time */
	uint64_t seed;
	uint64_t operations; /* of each thread in a round */
	uint64_t shown;      /* of the trace, when something is wrong */
	uint64_t only;       /* bits of operations, see operation_bit */
	/* Of all changes this one is not made in the view; 0: none. */
	uint64_t lose;
	atomic_uint_fast64_t changes;
	struct trace trace;

	uint64_t round; /* from 1 */
	unsigned threads;
	/* Bytes are shared out among the threads in units of so many: unit i
	 * is that of thread i modulo threads. */
	uint64_t unit;
	bool cached;             /* may views be opened for reading only? */
	pthread_barrier_t start; /* of several threads at once */
	uint64_t fresh;          /* where a block begins that is to be filled */
	/* For who reads while others work: */
	atomic_bool ended;
	atomic_uint_fast64_t recent; /* where the last change began */
};

/* A thread, and what it has open. */
struct worker {
	struct exercise *x;
	unsigned me; /* THREADS_MAX: the main thread, whose is everything */
	uint64_t random;
	struct record *record; /* the operation that is under way */
	int fd;                /* of the view, for reading and writing */
	int reader;            /* for reading only, or -1 */
	/* All of the view through reader, shared, or null. */
	const uint8_t *map;
	uint8_t *got; /* LENGTH_MAX bytes each */
	uint8_t *want;
};

void worker_init(struct worker *w, struct exercise *x, unsigned me);
void worker_fini(struct worker *w);
/* Does one operation and checks what it answers (exercise-ops.c). */
void worker_step(struct worker *w);
/* Compares the whole disk, through the page cache or past it. */
void worker_verify(struct worker *w, bool cached);
/* Zeros in half of the blocks, so that they are allocated anew. */
void worker_clear(struct worker *w);
/* Writes to the same one of those as all others do, at once. */
void worker_rush(struct worker *w);
/* Reads anything anywhere until the round has ended: pages are cached, and
 * being cached, while others write. */
void worker_disturb(struct worker *w);

/* Around each operation: it is in the trace, and must end some time. */
void work_begin(struct worker *w, const char *name);
void work_done(struct worker *w);
/* A change begins. Is it the one that the view is not to get? */
bool work_loses(struct worker *w);

/* What operations are made of (exercise-work.c). */
void read_model(struct worker *w, uint8_t *buf, uint64_t off, size_t len);
void write_model(struct worker *w, const uint8_t *buf, uint64_t off,
		 size_t len);
/* fallocate, of the operation's range. */
void zero_both(struct worker *w, int mode);
/* got, which was read at off, with the model. */
void compare(struct worker *w, const char *how, const uint8_t *got,
	     uint64_t off, size_t len);
void open_writer(struct worker *w, int flags);
void have_reader(struct worker *w);
/* file_first: the mapping keeps the file open for a moment. */
void drop_reader(struct worker *w, bool file_first);

/* Numbers by chance, and ranges (exercise-range.c). */
uint64_t mix(uint64_t z);
uint64_t below(struct worker *w, uint64_t limit);
void choose_range(struct worker *w, uint64_t *ret_off, uint64_t *ret_len);
/* The range of the operation that is under way. */
void own_range(struct worker *w);
/* Often whole blocks, where the thread may have such. */
void own_range_to_clear(struct worker *w);
/* Where the unit ends that off is in. */
uint64_t copyup_end(const struct exercise *x, uint64_t off);
/* A byte of the thread's own that is near. */
uint64_t own_byte(const struct worker *w, uint64_t off);

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Its bit in exercise.only; 0: there is no such operation. */
uint64_t operation_bit(const char *name);

/* Says what is wrong and the last operations, and ends the program with 1. */
_Noreturn void give_up(struct exercise *x, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* As give_up, unless ok: a system call that failed. */
void must(struct worker *w, bool ok, const char *call);
/* Fails where the two differ: where on the disk, and what last was there. */
void must_be_equal(struct worker *w, const char *how, uint64_t off,
		   const uint8_t *want, const uint8_t *got, size_t len);

#endif
