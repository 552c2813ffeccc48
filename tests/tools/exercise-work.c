/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The descriptors and mappings of exercise's workers, and the changes that they
 * make to the view and to the model alike.
 */
#include "config.h"

#include "tools/exercise.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

void read_model(struct worker *w, uint8_t *buf, uint64_t off, size_t len)
{
	must(w, pread(w->x->model, buf, len, (off_t)off) == (ssize_t)len,
	     "reading the model");
}

void write_model(struct worker *w, const uint8_t *buf, uint64_t off, size_t len)
{
	must(w, pwrite(w->x->model, buf, len, (off_t)off) == (ssize_t)len,
	     "writing the model");
}

/* Is this the change that the view must not get? */
bool work_loses(struct worker *w)
{
	w->record->changes = true;
	atomic_store(&w->x->recent, w->record->off);
	/* Changes by worker_clear are not counted. */
	if (w->me == THREADS_MAX)
		return false;
	return atomic_fetch_add(&w->x->changes, 1) + 1 == w->x->lose;
}

void zero_both(struct worker *w, int mode)
{
	off_t off = (off_t)w->record->off, len = (off_t)w->record->len;

	/* A plain file behaves the same for both modes. */
	must(w,
	     fallocate(w->x->model, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       off, len) == 0,
	     "punching the model");
	if (!work_loses(w))
		must(w, fallocate(w->fd, mode, off, len) == 0, "fallocate");
}

void compare(struct worker *w, const char *how, const uint8_t *got,
	     uint64_t off, size_t len)
{
	read_model(w, w->want, off, len);
	must_be_equal(w, how, off, w->want, got, len);
}

void open_writer(struct worker *w, int flags)
{
	w->fd = open(w->x->view, O_RDWR | O_CLOEXEC | flags);
	must(w, w->fd >= 0, "open for writing");
}

void have_reader(struct worker *w)
{
	void *p;

	if (w->map)
		return;
	w->reader = open(w->x->view, O_RDONLY | O_CLOEXEC);
	must(w, w->reader >= 0, "open for reading");
	p = mmap(NULL, w->x->size, PROT_READ, MAP_SHARED, w->reader, 0);
	must(w, p != MAP_FAILED, "mmap, shared");
	w->map = p;
}

void drop_reader(struct worker *w, bool file_first)
{
	if (!w->map)
		return;
	if (file_first)
		must(w, close(w->reader) == 0, "close");
	must(w, munmap((void *)w->map, w->x->size) == 0, "munmap");
	if (!file_first)
		must(w, close(w->reader) == 0, "close");
	w->map = NULL;
	w->reader = -1;
}

void work_begin(struct worker *w, const char *name)
{
	alarm(HANG_SECONDS);
	w->record = trace_begin(&w->x->trace, w->me, name);
}

void work_done(struct worker *w)
{
	atomic_store(&w->record->done, true);
	w->record = NULL;
}

void worker_verify(struct worker *w, bool cached)
{
	uint64_t size = w->x->size;

	work_begin(w, cached ? "verify-cached" : "verify");
	w->record->len = size;
	if (cached)
		have_reader(w);
	for (uint64_t off = 0, n; off < size; off += n) {
		n = least(size - off, LENGTH_MAX);
		must(w,
		     pread(cached ? w->reader : w->fd, w->got, n, (off_t)off) ==
			     (ssize_t)n,
		     "read");
		compare(w, "the whole disk", w->got, off, n);
	}
	work_done(w);
}

void worker_clear(struct worker *w)
{
	struct exercise *x = w->x;

	for (uint64_t off = 0; off < x->size; off += x->block) {
		if (below(w, 2))
			continue;
		if (below(w, 2))
			x->fresh = off;
		work_begin(w, "punch");
		w->record->off = off;
		w->record->len = least(x->block, x->size - off);
		zero_both(w, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
		work_done(w);
	}
}

void worker_disturb(struct worker *w)
{
	struct exercise *x = w->x;
	volatile uint8_t seen;

	while (!atomic_load(&x->ended)) {
		/* Mostly the bytes that another thread is writing. */
		uint64_t off = below(w, 8) ? atomic_load(&x->recent)
					   : below(w, x->size);
		uint64_t len = least(1 + below(w, 3 * PAGE), x->size - off);

		have_reader(w);
		for (uint64_t i = 0; i < len; i += PAGE)
			seen = w->map[off + i];
		must(w, pread(w->reader, w->got, len, (off_t)off) >= 0, "read");
		if (below(w, 1000) == 0)
			drop_reader(w, below(w, 2));
	}
	(void)seen;
}

void worker_init(struct worker *w, struct exercise *x, unsigned me)
{
	*w = (struct worker){ .x = x, .me = me, .fd = -1, .reader = -1 };
	w->random = mix(mix(mix(x->seed) + x->round) + me);
	w->got = malloc(LENGTH_MAX);
	w->want = malloc(LENGTH_MAX);
	must(w, w->got && w->want, "malloc");
	open_writer(w, 0);
}

void worker_fini(struct worker *w)
{
	drop_reader(w, false);
	must(w, close(w->fd) == 0, "close");
	free(w->got);
	free(w->want);
}
