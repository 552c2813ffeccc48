/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of exercise.  Each takes a range of the thread's own bytes,
 * and changes it in the view and in the model alike, or compares the view with
 * the model.
 */
#include "config.h"

#include "tools/exercise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	PUNCH = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	ZERO = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	PAGE = 4096,
	/* The length of a hole that is compared while other threads write. */
	HOLE_LOOK = 4 << 20,
	/* The number of holes that are compared. */
	HOLES_LOOK = 100,
	LOOK_PIECE = 65536,
};

/* Fills the buffer with bytes that, mostly, no other operation writes. */
static void fill(struct worker *w, uint8_t *buf, size_t len)
{
	uint64_t seed = below(w, UINT64_MAX);
	unsigned kind = seed % 8;

	if (kind < 2) {
		memset(buf, kind ? (int)(seed >> 8 & 0xff) : 0, len);
		return;
	}
	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = (seed + i) * 0x9e3779b97f4a7c15;

		word ^= word >> 29;
		memcpy(buf + i, &word, len - i < 8 ? len - i : 8);
	}
}

/* Splits buf into one to three pieces. */
static int split(struct worker *w, uint8_t *buf, size_t len, struct iovec *v)
{
	size_t a = below(w, len + 1), b = below(w, len + 1);

	if (below(w, 4) || len < 3) {
		v[0] = (struct iovec){ buf, len };
		return 1;
	}
	if (a > b) {
		size_t c = a;

		a = b;
		b = c;
	}
	v[0] = (struct iovec){ buf, a };
	v[1] = (struct iovec){ buf + a, b - a };
	v[2] = (struct iovec){ buf + b, len - b };
	return 3;
}

static void write_view(struct worker *w, uint8_t *buf, uint64_t off, size_t len)
{
	struct iovec v[3];
	int n = split(w, buf, len, v);

	if (!work_loses(w))
		must(w, pwritev(w->fd, v, n, (off_t)off) == (ssize_t)len,
		     "write");
}

/* The operations. */

static void read_view(struct worker *w, int fd, const char *how)
{
	struct record *r = w->record;
	struct iovec v[3];
	int n = split(w, w->got, r->len, v);

	must(w, preadv(fd, v, n, (off_t)r->off) == (ssize_t)r->len, how);
	compare(w, how, w->got, r->off, r->len);
}

static void do_read(struct worker *w)
{
	own_range(w);
	read_view(w, w->fd, "read");
}

static void write_both(struct worker *w)
{
	struct record *r = w->record;

	fill(w, w->got, r->len);
	write_model(w, w->got, r->off, r->len);
	write_view(w, w->got, r->off, r->len);
}

static void do_write(struct worker *w)
{
	own_range(w);
	write_both(w);
}

void worker_rush(struct worker *w)
{
	struct record *r;

	work_begin(w, "rush");
	r = w->record;
	r->off = own_byte(w, w->x->fresh);
	r->len = least(1 + below(w, 4096), copyup_end(w->x, r->off) - r->off);
	write_both(w);
	work_done(w);
}

static void do_punch(struct worker *w)
{
	own_range_to_clear(w);
	zero_both(w, PUNCH);
}

static void do_zero(struct worker *w)
{
	own_range_to_clear(w);
	zero_both(w, ZERO);
}

static void do_fsync(struct worker *w)
{
	must(w, fsync(w->fd) == 0, "fsync");
}

static void do_fdatasync(struct worker *w)
{
	must(w, fdatasync(w->fd) == 0, "fdatasync");
}

static void do_reopen(struct worker *w)
{
	static const int flags[] = { 0, 0, O_DSYNC, O_DIRECT };

	must(w, close(w->fd) == 0, "close");
	open_writer(w, flags[below(w, 4)]);
}

static void do_drop_reader(struct worker *w)
{
	drop_reader(w, below(w, 2));
}

/* Reads through the reading descriptor, or the writing one where the view
 * cannot be opened for reading only. */
static void read_cached(struct worker *w)
{
	if (!w->x->cached) {
		read_view(w, w->fd, "read");
		return;
	}
	have_reader(w);
	read_view(w, w->reader, "read through the cache");
}

static void do_read_cached(struct worker *w)
{
	own_range(w);
	read_cached(w);
}

/* Maps the descriptor that writes.  A change of a private mapping must not
 * reach the view. */
static void map_private(struct worker *w)
{
	struct record *r = w->record;
	uint64_t start = r->off - r->off % PAGE, skip = r->off - start;
	size_t len = skip + r->len;
	uint8_t *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, w->fd,
			  (off_t)start);

	must(w, p != MAP_FAILED, "mmap, private");
	memcpy(w->got, p + skip, r->len);
	p[skip] ^= 0xff;
	must(w, munmap(p, len) == 0, "munmap");
	compare(w, "private mapping", w->got, r->off, r->len);
}

static void map_shared(struct worker *w)
{
	if (!w->x->cached) {
		map_private(w);
		return;
	}
	have_reader(w);
	memcpy(w->got, w->map + w->record->off, w->record->len);
	compare(w, "shared mapping", w->got, w->record->off, w->record->len);
}

static void do_map_shared(struct worker *w)
{
	own_range(w);
	map_shared(w);
}

static void do_map_private(struct worker *w)
{
	own_range(w);
	map_private(w);
}

/* Expects zeros in the thread's own bytes of the piece, which begins at off. */
static void own_must_be_zero(struct worker *w, uint64_t off, size_t len)
{
	const struct exercise *x = w->x;
	uint64_t n;

	read_model(w, w->want, off, len);
	for (size_t i = 0; i < len; i += n) {
		n = least(len - i, copyup_end(x, off + i) - (off + i));
		if (x->threads > 1 && (off + i) / x->unit % x->threads != w->me)
			continue;
		memset(w->got, 0, n);
		must_be_equal(
			w, "a range that SEEK_HOLE and SEEK_DATA call a hole",
			off + i, w->want + i, w->got, n);
	}
}

static void must_be_hole(struct worker *w, uint64_t off, uint64_t end)
{
	if (w->x->threads > 1)
		end = least(end, off + HOLE_LOOK);
	for (uint64_t n; off < end; off += n) {
		n = least(end - off, LOOK_PIECE);
		own_must_be_zero(w, off, n);
	}
}

static uint64_t seek(struct worker *w, uint64_t off, int whence)
{
	off_t found = lseek(w->fd, (off_t)off, whence);

	if (found < 0 && errno == ENXIO && whence == SEEK_DATA)
		return w->x->size;
	must(w, found >= 0, whence == SEEK_DATA ? "SEEK_DATA" : "SEEK_HOLE");
	if ((uint64_t)found < off || (uint64_t)found > w->x->size)
		give_up(w->x, "SEEK from %llu found %llu",
			(unsigned long long)off, (unsigned long long)found);
	return (uint64_t)found;
}

/* Finds the next hole from a random offset. */
static void do_seek(struct worker *w)
{
	struct record *r = w->record;
	uint64_t hole;

	own_range(w);
	must_be_hole(w, r->off, seek(w, r->off, SEEK_DATA));
	hole = seek(w, r->off, SEEK_HOLE);
	if (hole < w->x->size)
		must_be_hole(w, hole, seek(w, hole, SEEK_DATA));
}

/* Finds consecutive holes, a limited number of them. */
static void do_holes(struct worker *w)
{
	uint64_t size = w->x->size, end;

	own_range(w);
	for (unsigned i = 0; i < HOLES_LOOK && w->record->off < size; i++) {
		end = seek(w, w->record->off, SEEK_DATA);
		must_be_hole(w, w->record->off, end);
		w->record->off = end < size ? seek(w, end, SEEK_HOLE) : size;
	}
	must(w, lseek(w->fd, (off_t)size, SEEK_DATA) < 0 && errno == ENXIO,
	     "SEEK_DATA at the end");
}

static void copy_in_kernel(struct worker *w)
{
	off_t from = (off_t)w->record->from, to = (off_t)w->record->off;
	size_t left = w->record->len;

	while (left) {
		ssize_t n = copy_file_range(w->fd, &from, w->fd, &to, left, 0);

		must(w, n > 0, "copy_file_range");
		left -= n;
	}
}

static void copy_out_of_mapping(struct worker *w)
{
	struct record *r = w->record;

	must(w,
	     pwrite(w->fd, w->map + r->from, r->len, (off_t)r->off) ==
		     (ssize_t)r->len,
	     "write out of a mapping");
}

/* Copies from another offset of the same disk: in the kernel, out of the shared
 * mapping, or by reading and writing. */
static void do_copy(struct worker *w)
{
	struct record *r = w->record;
	unsigned how = below(w, 3);
	uint64_t len;

	own_range(w);
	choose_range(w, &r->from, &len);
	r->len = least(r->len, len);
	/* The result for overlapping ranges is undefined. */
	if ((r->from < r->off + r->len && r->off < r->from + r->len) ||
	    (how == 1 && !w->x->cached))
		how = 2;
	read_model(w, w->want, r->from, r->len);
	if (how == 1)
		have_reader(w);
	if (how == 2) {
		must(w,
		     pread(w->fd, w->got, r->len, (off_t)r->from) ==
			     (ssize_t)r->len,
		     "read");
		must_be_equal(w, "read", r->from, w->want, w->got, r->len);
		write_view(w, w->got, r->off, r->len);
	} else if (!work_loses(w)) {
		if (how == 1)
			copy_out_of_mapping(w);
		else
			copy_in_kernel(w);
	}
	write_model(w, w->want, r->off, r->len);
}

/* A change across the disk's end; the part after the end is ignored. */
static void change_across_end(struct worker *w, size_t beyond)
{
	static const int modes[] = { PUNCH, ZERO };
	struct record *r = w->record;
	unsigned how = below(w, 3);
	size_t len = r->len + beyond;

	if (how < 2) {
		must(w,
		     fallocate(w->x->model, PUNCH, (off_t)r->off,
			       (off_t)r->len) == 0,
		     "punching the model");
		if (!work_loses(w))
			must(w,
			     fallocate(w->fd, modes[how], (off_t)r->off,
				       (off_t)len) == 0,
			     "fallocate across the end");
		return;
	}
	fill(w, w->got, len);
	write_model(w, w->got, r->off, r->len);
	if (!work_loses(w))
		must(w,
		     pwrite(w->fd, w->got, len, (off_t)r->off) ==
			     (ssize_t)r->len,
		     "write across the end");
}

static void do_across_end(struct worker *w)
{
	struct record *r = w->record;
	uint64_t size = w->x->size;
	size_t beyond = 1 + below(w, 70000);

	/* Only the thread that owns the last byte does this. */
	if (own_byte(w, size - 1) != size - 1)
		return;
	r->len = 1 + below(w, least(70000, 1 + (size - 1) % w->x->unit));
	r->off = size - r->len;
	change_across_end(w, beyond);
	must(w, pwrite(w->fd, w->got, 1, (off_t)size) < 0 && errno == EFBIG,
	     "write behind the end");
	must(w,
	     pread(w->fd, w->got, r->len + beyond, (off_t)r->off) ==
		     (ssize_t)r->len,
	     "read across the end");
	compare(w, "read across the end", w->got, r->off, r->len);
	must(w, pread(w->fd, w->got, 1, (off_t)size) == 0,
	     "read behind the end");
}

static const struct operation {
	const char *name;
	unsigned weight;
	void (*run)(struct worker *w);
} operations[] = {
	{ "read", 16, do_read },
	{ "write", 28, do_write },
	{ "punch", 8, do_punch },
	{ "zero", 6, do_zero },
	{ "fsync", 1, do_fsync },
	{ "fdatasync", 2, do_fdatasync },
	{ "reopen", 3, do_reopen },
	{ "read-cached", 8, do_read_cached },
	{ "map-shared", 8, do_map_shared },
	{ "map-private", 6, do_map_private },
	{ "drop-reader", 2, do_drop_reader },
	{ "seek", 4, do_seek },
	{ "holes", 1, do_holes },
	{ "copy", 5, do_copy },
	{ "across-end", 2, do_across_end },
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

uint64_t operation_bit(const char *name)
{
	for (unsigned i = 0; i < OPERATIONS; i++)
		if (!strcmp(operations[i].name, name))
			return UINT64_C(1) << i;
	return 0;
}

static const struct operation *choose_operation(struct worker *w)
{
	unsigned sum = 0, at;

	for (unsigned i = 0; i < OPERATIONS; i++)
		if (w->x->only >> i & 1)
			sum += operations[i].weight;
	at = below(w, sum);
	for (unsigned i = 0;; i++) {
		if (!(w->x->only >> i & 1))
			continue;
		if (at < operations[i].weight)
			return &operations[i];
		at -= operations[i].weight;
	}
}

/* Reads at once after a change, which must be visible. */
static void look_again(struct worker *w)
{
	switch (below(w, 8)) {
	case 0:
		read_view(w, w->fd, "read after a change");
		break;
	case 1:
		read_cached(w);
		break;
	case 2:
	case 3:
		map_shared(w);
		break;
	case 4:
		map_private(w);
		break;
	default:
		break;
	}
}

void worker_step(struct worker *w)
{
	const struct operation *op = choose_operation(w);

	work_begin(w, op->name);
	op->run(w);
	if (w->record->changes && w->record->len <= LENGTH_MAX)
		look_again(w);
	work_done(w);
}
