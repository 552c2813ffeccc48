/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Crash file: see io-crash.h. */
#include "crash/io-crash.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum { PIECE = 512 };

struct io_crash {
	struct io io;
	struct io *inner; /* over file->now */
	struct crash_file *file;
};

void crash_file_init(struct crash_file *file, const struct mem_file *from)
{
	memset(file, 0, sizeof *file);
	mem_file_init(&file->now);
	mem_file_init(&file->before);
	mem_file_copy(&file->now, from);
	mem_file_copy(&file->before, from);
}

void crash_file_fini(struct crash_file *file)
{
	for (size_t i = 0; i < file->n; i++)
		free(file->ops[i].data);
	free(file->ops);
	mem_file_fini(&file->now);
	mem_file_fini(&file->before);
}

static void record(struct io *io, enum crash_kind kind, uint64_t off,
		   uint64_t len, const void *data)
{
	struct crash_file *file = ((struct io_crash *)io)->file;
	struct crash_op *op;

	if (file->n == file->room) {
		file->room = file->room ? 2 * file->room : 64;
		file->ops = realloc(file->ops, file->room * sizeof *file->ops);
		assert_non_null(file->ops);
	}
	op = &file->ops[file->n++];
	*op = (struct crash_op){ .kind = kind, .off = off, .len = len };
	if (data) {
		op->data = malloc(len);
		assert_non_null(op->data);
		memcpy(op->data, data, len);
	}
}

static struct io *inner(struct io *io)
{
	return ((struct io_crash *)io)->inner;
}

static ssize_t crash_pread(struct io *io, void *buf, size_t len, uint64_t off)
{
	return inner(io)->ops->pread(inner(io), buf, len, off);
}

static int crash_pwrite(struct io *io, const void *buf, size_t len,
			uint64_t off)
{
	int r = inner(io)->ops->pwrite(inner(io), buf, len, off);

	if (r == 0)
		record(io, CRASH_WRITE, off, len, buf);
	return r;
}

static int crash_sync(struct io *io)
{
	int r = inner(io)->ops->sync(inner(io));

	if (r == 0)
		record(io, CRASH_SYNC, 0, 0, NULL);
	return r;
}

static int crash_size(struct io *io, uint64_t *ret_size)
{
	return inner(io)->ops->size(inner(io), ret_size);
}

static int crash_resize(struct io *io, uint64_t size)
{
	int r = inner(io)->ops->resize(inner(io), size);

	if (r == 0)
		record(io, CRASH_RESIZE, size, 0, NULL);
	return r;
}

static int crash_punch(struct io *io, uint64_t off, uint64_t len, bool keep)
{
	int r = inner(io)->ops->punch(inner(io), off, len, keep);

	if (r == 0)
		record(io, CRASH_ZERO, off, len, NULL);
	return r;
}

/* Reserving space changes no content, so it is not recorded. */
static int crash_reserve(struct io *io, uint64_t off, uint64_t len)
{
	return inner(io)->ops->reserve(inner(io), off, len);
}

static int crash_extent(struct io *io, uint64_t off, bool *ret_data,
			uint64_t *ret_len)
{
	return inner(io)->ops->extent(inner(io), off, ret_data, ret_len);
}

static void crash_close(struct io *io)
{
	io_close(inner(io));
	io_fini(io);
	free(io);
}

static const struct io_ops crash_ops = {
	.pread = crash_pread,
	.pwrite = crash_pwrite,
	.sync = crash_sync,
	.size = crash_size,
	.resize = crash_resize,
	.punch = crash_punch,
	.reserve = crash_reserve,
	.extent = crash_extent,
	.close = crash_close,
};

int io_crash_open(void *file, const char *name, bool writable, struct io **ret)
{
	struct io_crash *crash = calloc(1, sizeof *crash);

	assert_non_null(crash);
	assert_ok(io_init(&crash->io, &crash_ops, name, writable));
	crash->file = file;
	assert_ok(
		io_mem_open(&crash->file->now, name, writable, &crash->inner));
	*ret = &crash->io;
	return 0;
}

void crash_states_init(struct crash_states *states,
		       const struct crash_file *file)
{
	states->file = file;
	states->n_durable = 0;
	mem_file_init(&states->durable);
	mem_file_copy(&states->durable, &file->before);
}

void crash_states_fini(struct crash_states *states)
{
	mem_file_fini(&states->durable);
}

size_t crash_unsynced(const struct crash_file *file, size_t n)
{
	size_t i = n;

	while (i && file->ops[i - 1].kind != CRASH_SYNC)
		i--;
	return n - i;
}

/* Does a piece of a torn write reach the disk? */
static bool piece_survives(uint64_t *seed)
{
	return !seed || random_next(seed) % 2;
}

/* Applies an operation; if torn is not null, random pieces of it only. */
static void apply_op(struct io *io, const struct crash_op *op, uint64_t *torn)
{
	uint64_t end = op->off + op->len, n;

	if (op->kind == CRASH_RESIZE)
		assert_ok(io_resize(io, op->off));
	if (op->kind == CRASH_ZERO && !torn)
		assert_ok(io_zero(io, op->off, op->len, false));
	if (op->kind == CRASH_WRITE && !torn)
		assert_ok(io_write(io, op->data, op->len, op->off));
	if (!torn || op->kind == CRASH_RESIZE || op->kind == CRASH_SYNC)
		return;
	for (uint64_t at = op->off; at < end; at += n) {
		n = min_u64(end - at, PIECE - at % PIECE);
		if (!piece_survives(torn))
			continue;
		if (op->kind == CRASH_ZERO)
			assert_ok(io_zero(io, at, n, false));
		else
			assert_ok(
				io_write(io, op->data + (at - op->off), n, at));
	}
}

/* Advances the durable state to the last sync of the first n operations. */
static void advance(struct crash_states *states, size_t n)
{
	size_t last = n - crash_unsynced(states->file, n);
	struct io *io;

	assert_ok(io_mem_open(&states->durable, "durable", true, &io));
	for (; states->n_durable < last; states->n_durable++)
		apply_op(io, &states->file->ops[states->n_durable], NULL);
	io_close(io);
}

static void shuffle(const struct crash_op **ops, size_t n, uint64_t *seed)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = random_next(seed) % i;
		const struct crash_op *op = ops[i - 1];

		ops[i - 1] = ops[k];
		ops[k] = op;
	}
}

void crash_state(struct crash_states *states, size_t n, enum crash_fate fate,
		 uint64_t *seed, struct mem_file *ret)
{
	const struct crash_op **ops;
	size_t n_ops, one;
	struct io *io;

	advance(states, n);
	n_ops = n - states->n_durable;
	one = n_ops ? random_next(seed) % n_ops : 0;
	ops = calloc(n_ops + 1, sizeof *ops);
	assert_non_null(ops);
	for (size_t i = 0; i < n_ops; i++)
		ops[i] = &states->file->ops[states->n_durable + i];
	if (fate == FATE_SHUFFLED)
		shuffle(ops, n_ops, seed);
	mem_file_copy(ret, &states->durable);
	assert_ok(io_mem_open(ret, "state", true, &io));
	for (size_t i = 0; i < n_ops; i++) {
		bool is_one = i == one, some = random_next(seed) % 2;
		bool torn = fate == FATE_TORN ||
			    (fate == FATE_ONE_TORN && is_one) ||
			    (fate == FATE_SHUFFLED && some);

		if (fate == FATE_LOST || (fate == FATE_ONE_LOST && is_one) ||
		    (fate == FATE_ONE_KEPT && !is_one) ||
		    (fate == FATE_SOME && some))
			continue;
		apply_op(io, ops[i], torn ? seed : NULL);
	}
	io_close(io);
	free(ops);
}
