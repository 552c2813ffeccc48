/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The operations that exercise did, and its message when data is wrong. */
#include "config.h"

#include "tools/exercise.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The length of the ring: a power of two. */
enum { TRACE_LENGTH = 1 << 18 };

int trace_init(struct trace *trace)
{
	trace->records = calloc(TRACE_LENGTH, sizeof *trace->records);
	return trace->records ? 0 : -ENOMEM;
}

struct record *trace_begin(struct trace *trace, unsigned thread,
			   const char *name)
{
	uint64_t n = atomic_fetch_add(&trace->n, 1);
	struct record *r = &trace->records[n % TRACE_LENGTH];

	atomic_store(&r->done, false);
	r->number = n + 1;
	r->name = name;
	r->thread = thread;
	r->changes = false;
	r->off = 0;
	r->len = 0;
	r->from = NO_OFFSET;
	return r;
}

static void print_record(const struct record *r)
{
	char owner[16] = "main";

	if (r->thread < THREADS_MAX)
		snprintf(owner, sizeof owner, "%u", r->thread);
	fprintf(stderr, "  %8" PRIu64 " thread %s: %-12s %" PRIu64 " +%" PRIu64,
		r->number, owner, r->name, r->off, r->len);
	if (r->from != NO_OFFSET)
		fprintf(stderr, " from %" PRIu64, r->from);
	fprintf(stderr, "%s\n", atomic_load(&r->done) ? "" : "  (not done)");
}

static uint64_t first_kept(const struct trace *trace, uint64_t most)
{
	uint64_t n = atomic_load(&trace->n);

	if (most > TRACE_LENGTH)
		most = TRACE_LENGTH;
	return n > most ? n - most : 0;
}

void trace_print(const struct trace *trace, uint64_t most)
{
	uint64_t i = first_kept(trace, most), n = atomic_load(&trace->n);

	fprintf(stderr, "the last operations:\n");
	for (; i < n; i++)
		print_record(&trace->records[i % TRACE_LENGTH]);
}

void trace_print_change(const struct trace *trace, uint64_t off)
{
	uint64_t first = first_kept(trace, TRACE_LENGTH);

	for (uint64_t i = atomic_load(&trace->n); i-- > first;) {
		const struct record *r = &trace->records[i % TRACE_LENGTH];

		if (!r->changes || off - r->off >= r->len)
			continue;
		fprintf(stderr, "byte %" PRIu64 " was last changed by\n", off);
		print_record(r);
		return;
	}
	fprintf(stderr,
		"byte %" PRIu64 " was changed by none of the last %" PRIu64
		" operations\n",
		off, atomic_load(&trace->n) - first);
}

/* Only the first thread that finds wrong data prints a message. */
static void speak_alone(void)
{
	static pthread_mutex_t speaking = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&speaking);
}

static void say_where(const struct exercise *x)
{
	fprintf(stderr, "exercise: seed %" PRIu64 ", round %" PRIu64 ": ",
		x->seed, x->round);
}

static _Noreturn void end(const struct exercise *x)
{
	trace_print(&x->trace, x->shown);
	fflush(stderr);
	/* Not exit: other threads still run. */
	_exit(1);
}

_Noreturn void give_up(struct exercise *x, const char *format, ...)
{
	va_list args;

	speak_alone();
	say_where(x);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	end(x);
}

void must(struct worker *w, bool ok, const char *call)
{
	if (!ok)
		give_up(w->x, "operation %" PRIu64 ": %s: %s",
			w->record ? w->record->number : 0, call,
			strerror(errno));
}

static void say_view_has(struct worker *w, uint64_t off)
{
	uint8_t byte;

	if (pread(w->fd, &byte, 1, (off_t)off) == 1)
		fprintf(stderr, "a second read, past the cache, finds %02x\n",
			byte);
}

void must_be_equal(struct worker *w, const char *how, uint64_t off,
		   const uint8_t *want, const uint8_t *got, size_t len)
{
	size_t first = 0, last = 0, n = 0;

	if (!memcmp(want, got, len))
		return;
	for (size_t i = len; i-- > 0;)
		if (want[i] != got[i]) {
			last = n++ ? last : i;
			first = i;
		}
	speak_alone();
	say_where(w->x);
	fprintf(stderr,
		"operation %" PRIu64 ": %s: byte %" PRIu64
		": expected %02x, found %02x\n"
		"of %" PRIu64 " +%zu %zu bytes differ, the last is %" PRIu64
		"\n",
		w->record ? w->record->number : 0, how, off + first,
		want[first], got[first], off, len, n, off + last);
	say_view_has(w, off + first);
	trace_print_change(&w->x->trace, off + first);
	end(w->x);
}
