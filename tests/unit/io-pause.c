/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pause points.
 *
 * The address of the struct io does not change, because other structures point
 * to it: pause_attach replaces its table of operations by one that is the first
 * member of struct pause, so io->ops leads to the struct pause.
 */
#include "config.h"

#include "unit/unit.h"

#include "unit/io-pause.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/bytes.h"

enum { N_OPS = 5, TIMEOUT_S = 60 };

struct pause {
	struct io_ops ops; /* the io's, first */
	const struct io_ops *inner;
	struct pause_listener *listener;
	pthread_mutex_t lock; /* protects points and counts */
	pthread_cond_t changed;
	bool skip_syncs; /* set before other threads start */
	struct pause_point *points;
	unsigned counts[N_OPS];
};

static _Thread_local unsigned this_actor;

void pause_act(unsigned actor)
{
	this_actor = actor;
}

static struct pause *pause_of(struct io *io)
{
	return (struct pause *)io->ops;
}

static bool matches(const struct pause_point *point, const struct pause_op *op)
{
	if (point->taken || !(point->ops & op->op) ||
	    (point->actor && point->actor != this_actor))
		return false;
	return !point->len ||
	       ranges_overlap(op->off, op->len, point->off, point->len);
}

/* The point at which this operation must stop, or null. */
static struct pause_point *take_point(struct pause *p,
				      const struct pause_op *op)
{
	for (struct pause_point *point = p->points; point; point = point->next)
		if (matches(point, op) && point->passed++ == point->skip) {
			point->taken = true;
			point->op = op->op;
			return point;
		}
	return NULL;
}

static void stop_at(struct pause *p, struct pause_point *point)
{
	pthread_mutex_lock(&p->lock);
	point->stopped = true;
	pthread_cond_broadcast(&p->changed);
	while (!point->resumed)
		pthread_cond_wait(&p->changed, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

/* Called at the begin of an operation. */
static struct pause_point *enter(struct pause *p, struct pause_op *op)
{
	struct pause_point *point;

	pthread_mutex_lock(&p->lock);
	p->counts[__builtin_ctz(op->op)]++;
	point = take_point(p, op);
	pthread_mutex_unlock(&p->lock);
	if (point && (point->when == PAUSE_BEFORE ||
		      (point->when == PAUSE_HALFWAY && op->op != PAUSE_WRITE)))
		stop_at(p, point);
	if (p->listener)
		p->listener->begins(p->listener, op);
	return point;
}

/* Called at the end of an operation, with its result r. */
static int leave(struct pause *p, const struct pause_op *op,
		 struct pause_point *point, int r)
{
	if (r == 0 && p->listener)
		p->listener->done(p->listener, op);
	if (point && point->when == PAUSE_AFTER)
		stop_at(p, point);
	return r;
}

/* The error to return instead of calling the back-end, or 0. */
static int simulated_error(const struct pause_point *point)
{
	return point ? point->error : 0;
}

/* To intercept another operation, add a function like these, a PAUSE_ flag, and
 * a line in pause_attach. */

static int stop_sync(struct io *io)
{
	struct pause *p = pause_of(io);
	struct pause_op op = { .op = PAUSE_SYNC };
	struct pause_point *point = enter(p, &op);
	int r = simulated_error(point);

	if (r == 0 && !p->skip_syncs)
		r = p->inner->sync(io);
	return leave(p, &op, point, r);
}

static int stop_resize(struct io *io, uint64_t size)
{
	struct pause *p = pause_of(io);
	struct pause_op op = { .op = PAUSE_RESIZE, .off = size, .len = 1 };
	struct pause_point *point = enter(p, &op);
	int r = simulated_error(point);

	if (r == 0)
		r = p->inner->resize(io, size);
	return leave(p, &op, point, r);
}

static int stop_punch(struct io *io, uint64_t off, uint64_t len, bool keep)
{
	struct pause *p = pause_of(io);
	struct pause_op op = { .op = PAUSE_PUNCH, .off = off, .len = len };
	struct pause_point *point = enter(p, &op);
	int r = simulated_error(point);

	if (r == 0)
		r = p->inner->punch(io, off, len, keep);
	return leave(p, &op, point, r);
}

static ssize_t stop_pread(struct io *io, void *buf, size_t len, uint64_t off)
{
	struct pause *p = pause_of(io);
	struct pause_op op = { .op = PAUSE_READ, .off = off, .len = len };
	struct pause_point *point = enter(p, &op);
	ssize_t n = simulated_error(point);
	int r;

	if (n == 0)
		n = p->inner->pread(io, buf, len, off);
	r = leave(p, &op, point, n < 0 ? (int)n : 0);
	return r < 0 ? r : n;
}

/* Writes two halves, of whole sectors if there are at least two, and stops
 * between them. */
static int write_halves(struct pause *p, struct pause_point *point,
			struct io *io, const void *buf, size_t len,
			uint64_t off)
{
	size_t half = len >= 1024 ? round_down(len / 2, 512) : len / 2;
	int r = half ? p->inner->pwrite(io, buf, half, off) : 0;

	stop_at(p, point);
	if (r < 0)
		return r;
	return p->inner->pwrite(io, (const char *)buf + half, len - half,
				off + half);
}

static int stop_pwrite(struct io *io, const void *buf, size_t len, uint64_t off)
{
	struct pause *p = pause_of(io);
	struct pause_op op = {
		.op = PAUSE_WRITE, .buf = buf, .off = off, .len = len
	};
	struct pause_point *point = enter(p, &op);
	int r = simulated_error(point);

	if (point && point->when == PAUSE_HALFWAY)
		r = write_halves(p, point, io, buf, len, off);
	else if (r == 0)
		r = p->inner->pwrite(io, buf, len, off);
	return leave(p, &op, point, r);
}

static void stop_close(struct io *io)
{
	struct pause *p = pause_of(io);

	io->ops = p->inner;
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p);
	io->ops->close(io);
}

/* An operation that the back-end does not have stays null. */
#define STOP(op) p->ops.op = p->ops.op ? stop_##op : NULL

struct pause *pause_attach(struct io *io, struct pause_listener *listener)
{
	struct pause *p = calloc(1, sizeof *p);

	assert_non_null(p);
	p->inner = io->ops;
	p->ops = *io->ops;
	p->listener = listener;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	STOP(pread);
	STOP(pwrite);
	STOP(sync);
	STOP(resize);
	STOP(punch);
	p->ops.close = stop_close;
	io->ops = &p->ops;
	return p;
}

void pause_skip_syncs(struct pause *pause)
{
	pause->skip_syncs = true;
}

void pause_arm(struct pause *pause, struct pause_point *point)
{
	pthread_mutex_lock(&pause->lock);
	point->pause = pause;
	point->passed = 0;
	point->taken = point->stopped = point->resumed = false;
	point->next = pause->points;
	pause->points = point;
	pthread_mutex_unlock(&pause->lock);
}

bool pause_reached(struct pause_point *point)
{
	bool stopped;

	pthread_mutex_lock(&point->pause->lock);
	stopped = point->stopped;
	pthread_mutex_unlock(&point->pause->lock);
	return stopped;
}

void pause_wait(struct pause_point *point)
{
	struct pause *p = point->pause;
	struct timespec end;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += TIMEOUT_S;
	pthread_mutex_lock(&p->lock);
	while (!point->stopped && r == 0)
		r = pthread_cond_timedwait(&p->changed, &p->lock, &end);
	pthread_mutex_unlock(&p->lock);
	if (r == 0)
		return;
	print_error("\"%s\": expected a thread to stop within %d s\n",
		    point->name, TIMEOUT_S);
	_fail(__FILE__, __LINE__);
}

static void unlink_point(struct pause *p, struct pause_point *point)
{
	struct pause_point **at = &p->points;

	while (*at && *at != point)
		at = &(*at)->next;
	if (*at)
		*at = point->next;
}

void pause_resume(struct pause_point *point)
{
	struct pause *p = point->pause;

	pthread_mutex_lock(&p->lock);
	unlink_point(p, point);
	point->resumed = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void pause_resume_all(struct pause *pause)
{
	pthread_mutex_lock(&pause->lock);
	for (; pause->points; pause->points = pause->points->next)
		pause->points->resumed = true;
	pthread_cond_broadcast(&pause->changed);
	pthread_mutex_unlock(&pause->lock);
}

unsigned pause_count(struct pause *pause, unsigned ops)
{
	unsigned n = 0;

	pthread_mutex_lock(&pause->lock);
	for (unsigned i = 0; i < N_OPS; i++)
		if (ops & 1u << i)
			n += pause->counts[i];
	pthread_mutex_unlock(&pause->lock);
	return n;
}
