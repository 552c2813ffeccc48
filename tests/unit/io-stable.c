/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Durable copy of a file: applies changes to it at each sync. */
#define _GNU_SOURCE
#include "config.h"

#include "unit/unit.h"

#include "unit/io-stable.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

struct change {
	struct change *next;
	uint64_t number;
	unsigned op;
	uint64_t off, len;
	uint8_t data[];
};

struct stable {
	struct pause_listener listener; /* first */
	pthread_mutex_t lock;
	int fd;
	/* Changes that succeeded and are not in the copy, the oldest first. */
	struct change *first, **end;
	uint64_t n_changes;
};

static struct stable *lock_stable(struct pause_listener *l)
{
	struct stable *s = (struct stable *)l;

	pthread_mutex_lock(&s->lock);
	return s;
}

/* cmocka's assertions work in the main thread only; this runs in any. */
static void must(bool done)
{
	if (!done)
		abort();
}

static void write_all(int fd, const uint8_t *data, uint64_t len, uint64_t off)
{
	must(pwrite(fd, data, len, off) == (ssize_t)len);
}

static void zero(int fd, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[4096];

	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off,
		      len) == 0)
		return;
	for (uint64_t n; len; off += n, len -= n) {
		n = min_u64(len, sizeof zeros);
		write_all(fd, zeros, n, off);
	}
}

static void apply(const struct stable *s, const struct change *c)
{
	switch (c->op) {
	case PAUSE_WRITE:
		write_all(s->fd, c->data, c->len, c->off);
		break;
	case PAUSE_PUNCH:
		zero(s->fd, c->off, c->len);
		break;
	default:
		must(ftruncate(s->fd, c->off) == 0);
		break;
	}
}

static void begins(struct pause_listener *l, struct pause_op *op)
{
	struct stable *s = lock_stable(l);

	op->mark = s->n_changes;
	pthread_mutex_unlock(&s->lock);
}

/* Applies the changes before the given number. */
static void apply_before(struct stable *s, uint64_t number)
{
	while (s->first && s->first->number < number) {
		struct change *c = s->first;

		apply(s, c);
		s->first = c->next;
		free(c);
	}
	if (!s->first)
		s->end = &s->first;
}

static void append(struct stable *s, const struct pause_op *op)
{
	size_t size = op->op == PAUSE_WRITE ? op->len : 0;
	struct change *c = calloc(1, sizeof *c + size);

	must(c != NULL);
	c->number = s->n_changes++;
	c->op = op->op;
	c->off = op->off;
	c->len = op->len;
	if (size)
		memcpy(c->data, op->buf, size);
	*s->end = c;
	s->end = &c->next;
}

static void done(struct pause_listener *l, const struct pause_op *op)
{
	struct stable *s;

	if (op->op == PAUSE_READ)
		return;
	s = lock_stable(l);
	if (op->op == PAUSE_SYNC)
		apply_before(s, op->mark);
	else
		append(s, op);
	pthread_mutex_unlock(&s->lock);
}

struct stable *stable_new(const char *path)
{
	struct stable *s = calloc(1, sizeof *s);

	assert_non_null(s);
	s->listener.begins = begins;
	s->listener.done = done;
	pthread_mutex_init(&s->lock, NULL);
	s->fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(s->fd >= 0);
	s->end = &s->first;
	return s;
}

struct pause_listener *stable_listener(struct stable *stable)
{
	return &stable->listener;
}

void stable_hold(struct stable *stable)
{
	pthread_mutex_lock(&stable->lock);
}

void stable_release(struct stable *stable)
{
	pthread_mutex_unlock(&stable->lock);
}

void stable_free(struct stable *stable)
{
	while (stable->first) {
		struct change *c = stable->first;

		stable->first = c->next;
		free(c);
	}
	close(stable->fd);
	pthread_mutex_destroy(&stable->lock);
	free(stable);
}

static void copy_range(int from, int to, uint64_t off, uint64_t end)
{
	static uint8_t buf[1 << 16];

	while (off < end) {
		ssize_t n =
			pread(from, buf, min_u64(sizeof buf, end - off), off);

		assert_true(n > 0);
		write_all(to, buf, n, off);
		off += n;
	}
}

void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	off_t size = lseek(in, 0, SEEK_END), data = 0;

	assert_true(in >= 0 && out >= 0);
	while ((data = lseek(in, data, SEEK_DATA)) >= 0) {
		off_t hole = lseek(in, data, SEEK_HOLE);

		copy_range(in, out, data, hole);
		data = hole;
	}
	assert_int_equal(ftruncate(out, size), 0);
	close(in);
	close(out);
}
