/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits of memory and time: opens and reads an image with a computed table. */
#include "config.h"

#include "format/registry.h"
#include "unit/bounds.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "unit/mem-count.h"

struct sparse bounds_file;
struct sparse_table bounds_table;

static uint64_t cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t begun;

/* The factor by which a slow or busy machine may exceed the times that were
 * measured when the limits were set; a quadratic algorithm exceeds them a
 * thousandfold. */
enum { SLOWER = 20 };

void bounds_begin(void)
{
	mem_count_start();
	begun = cpu_ms();
}

void bounds_within(const char *what, uint64_t memory, uint64_t ms)
{
	uint64_t took = cpu_ms() - begun;

	ms *= SLOWER;
	printf("# %s: %zu KiB, %" PRIu64 " ms\n", what, mem_count_peak() >> 10,
	       took);
	if (mem_count_peak() > memory)
		print_error("%s: expected at most %" PRIu64
			    " bytes of memory, found %zu\n",
			    what, memory, mem_count_peak());
	if (took > ms)
		print_error("%s: expected at most %" PRIu64
			    " ms of processor time, found %" PRIu64 "\n",
			    what, ms, took);
	if (mem_count_peak() > memory || took > ms)
		_fail(__FILE__, __LINE__);
}

struct image *bounds_open(bool writable)
{
	struct image *img = NULL;
	struct io *io;

	assert_ok(sparse_open(&bounds_file, "huge", writable, &io));
	assert_ok(image_open(io, NULL, &img));
	return img;
}

int bounds_map(struct image *img, uint64_t off, uint64_t len,
	       struct extent *ret)
{
	int r;

	image_lock_map(img);
	r = image_map(img, off, len, ret);
	image_unlock_map(img);
	return r;
}

void bounds_map_much(struct image *img, uint64_t len)
{
	struct extent e;

	for (uint64_t off = 0; off < len; off += e.len)
		assert_ok(bounds_map(img, off, len - off, &e));
}

void bounds_map_some(struct image *img)
{
	uint64_t seed = 7;
	struct extent e;

	for (int i = 0; i < 100; i++) {
		uint64_t off = random_next(&seed) % img->size;

		off = round_down(off, img->sector_size);
		assert_ok(bounds_map(img, off, img->sector_size, &e));
	}
}

void bounds_write_last(uint64_t ms)
{
	struct image *img = bounds_open(true);
	uint8_t data[4096] = "x";

	bounds_begin();
	(void)image_write(img, data, img->size - sizeof data, sizeof data);
	(void)image_flush(img);
	bounds_within("first write", MEMORY_WRITE, ms);
	bounds_map_some(img);
	(void)image_close(img);
}

static void count_findings(struct check *check, const struct finding *finding)
{
	(void)check;
	(void)finding;
}

void bounds_check(uint64_t ms)
{
	struct check check = { .report = count_findings };
	struct io *io;

	assert_ok(sparse_open(&bounds_file, "huge", false, &io));
	bounds_begin();
	(void)image_check(io, &check);
	bounds_within("check", MEMORY_WRITE, ms);
	io_close(io);
}
