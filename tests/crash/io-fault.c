/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Faults of accesses to files: see io-fault.h. */
#include "crash/io-fault.h"

#include <errno.h>

#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"

static _Thread_local struct faults *armed;
static long n_open;

void faults_arm(struct faults *faults)
{
	armed = faults;
}

struct faults *faults_armed(void)
{
	return armed;
}

long faults_open_files(void)
{
	return n_open;
}

bool faults_turn(struct faults *faults)
{
	if (!faults || !faults->at)
		return false;
	faults->count++;
	if (faults->forever ? faults->count < faults->at
			    : faults->count != faults->at)
		return false;
	faults->fired = true;

	return true;
}

struct io_fault {
	struct io io;
	struct io *inner;
};

/* Disarms faults while the inner file runs, whose memory is the test's. */
static struct io *enter(struct io *io, struct faults **ret_faults)
{
	*ret_faults = armed;
	armed = NULL;
	return ((struct io_fault *)io)->inner;
}

static int leave(struct faults *faults, int r)
{
	armed = faults;
	return r;
}

/* The fault of an access, as a negative errno, or 0. */
static int fails(struct faults *faults, bool takes_space)
{
	if (!faults || faults->kind >= FAULT_MEMORY ||
	    (faults->kind == FAULT_ENOSPC && !takes_space))
		return 0;
	if (!faults_turn(faults))
		return 0;
	return faults->kind == FAULT_ENOSPC ? -ENOSPC : -EIO;
}

static ssize_t fault_pread(struct io *io, void *buf, size_t len, uint64_t off)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, false);
	ssize_t n = r;

	if (r < 0 && faults->kind == FAULT_SHORT)
		inner->ops->pread(inner, buf, len / 2, off);
	else if (r == 0)
		n = inner->ops->pread(inner, buf, len, off);
	leave(faults, 0);
	return n;
}

static int fault_pwrite(struct io *io, const void *buf, size_t len,
			uint64_t off)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, true);

	if (r < 0 && faults->kind == FAULT_SHORT)
		inner->ops->pwrite(inner, buf, round_down(len / 2, 512), off);
	else if (r == 0)
		r = inner->ops->pwrite(inner, buf, len, off);
	return leave(faults, r);
}

static int fault_sync(struct io *io)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, true);

	return leave(faults, r < 0 ? r : inner->ops->sync(inner));
}

static int fault_size(struct io *io, uint64_t *ret_size)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, false);

	return leave(faults, r < 0 ? r : inner->ops->size(inner, ret_size));
}

static int fault_resize(struct io *io, uint64_t size)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, true);

	return leave(faults, r < 0 ? r : inner->ops->resize(inner, size));
}

static int fault_punch(struct io *io, uint64_t off, uint64_t len, bool keep)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, true);

	return leave(faults,
		     r < 0 ? r : inner->ops->punch(inner, off, len, keep));
}

static int fault_reserve(struct io *io, uint64_t off, uint64_t len)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, true);

	return leave(faults, r < 0 ? r : inner->ops->reserve(inner, off, len));
}

static int fault_extent(struct io *io, uint64_t off, bool *ret_data,
			uint64_t *ret_len)
{
	struct faults *faults;
	struct io *inner = enter(io, &faults);
	int r = fails(faults, false);

	return leave(faults,
		     r < 0 ? r
			   : inner->ops->extent(inner, off, ret_data, ret_len));
}

static void fault_close(struct io *io)
{
	struct faults *faults;

	io_close(enter(io, &faults));
	io_fini(io);
	free(io);
	n_open--;
	leave(faults, 0);
}

static const struct io_ops fault_ops = {
	.pread = fault_pread,
	.pwrite = fault_pwrite,
	.sync = fault_sync,
	.size = fault_size,
	.resize = fault_resize,
	.punch = fault_punch,
	.reserve = fault_reserve,
	.extent = fault_extent,
	.close = fault_close,
};

int io_fault_open(void *file, const char *name, bool writable, struct io **ret)
{
	struct fault_file *f = file;
	struct faults *faults = armed;
	struct io_fault *io;

	armed = NULL;
	io = calloc(1, sizeof *io);
	if (!io || f->open(f->file, name, writable, &io->inner) < 0 ||
	    io_init(&io->io, &fault_ops, name, writable) < 0)
		abort();
	*ret = &io->io;
	n_open++;
	return leave(faults, 0);
}
