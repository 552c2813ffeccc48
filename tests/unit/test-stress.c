/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stress: many threads on one image, and on several children of one parent, for
 * a given time.  Finds races that no script provokes, above all under the
 * thread sanitizer.
 *
 * The result is known in spite of the races, because each unit of the disk is
 * one of:
 *
 *   owned    one thread alone writes and zeros it, and knows its contents
 *   sliced   each thread writes and zeros a part of it, and of its sectors
 *   shared   all threads write and zero runs of units; at the end each sector
 *            is as the last change by one of the threads
 *
 * Owned and sliced units alternate in the first blocks; the last two blocks are
 * shared.  VHDFS_LONG=MINUTES sets the time for all tests together.
 */
#include "unit/scene.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"

enum {
	UNIT = 4096,
	UNITS = 2048,  /* of the disk */
	SHARED = 1536, /* the first that is shared */
	N_SHARED = UNITS - SHARED,
	WORKERS_MAX = 6,
	CHILDREN = 4,
};

/* worker.last of a unit that the worker has not changed. */
static const uint64_t UNTOUCHED = UINT64_MAX;

/* The threads on one disk. */
struct team {
	struct chain *chain;
	struct model
		model; /* owned and sliced units; shared ones at the start */
	unsigned n;
	struct timespec until;
	struct worker {
		struct team *team;
		pthread_t thread;
		unsigned number;
		uint64_t seed, changes;
		uint64_t last[N_SHARED];
		int r; /* the first failure */
		const char *wrong;
		uint64_t wrong_off;
	} workers[WORKERS_MAX];
};

static void wrong(struct worker *w, const char *what, uint64_t off)
{
	if (!w->wrong) {
		w->wrong = what;
		w->wrong_off = off;
	}
}

static uint64_t below(struct worker *w, uint64_t n)
{
	return random_next(&w->seed) % n;
}

/* A range that only this thread changes: an owned unit, or its slice of one. */
static uint64_t own_range(struct worker *w, uint64_t *ret_len)
{
	struct team *c = w->team;
	uint64_t slice = UNIT / c->n, unit;

	if (below(w, 2)) {
		*ret_len = slice;
		return (below(w, SHARED / 2) * 2 + 1) * UNIT +
		       w->number * slice;
	}
	unit = below(w, SHARED / 2 / c->n) * c->n + w->number;
	*ret_len = UNIT;
	return unit * 2 * UNIT;
}

static void read_own(struct worker *w)
{
	uint8_t have[UNIT];
	uint64_t len, off = own_range(w, &len);

	w->r = chain_read(w->team->chain, have, off, len);
	if (w->r == 0 && memcmp(have, w->team->model.bytes + off, len) != 0)
		wrong(w, "a unit does not have its owner's data", off);
}

/* Writes or zeros an own range, or a part of it. */
static void change_own(struct worker *w)
{
	struct team *c = w->team;
	uint64_t len, off = own_range(w, &len);
	unsigned what = below(w, 8);

	if (below(w, 2)) {
		uint64_t skip = below(w, len);

		off += skip;
		len = below(w, len - skip) + 1;
	}
	memset(c->model.bytes + off, what < 6 ? (int)below(w, 256) : 0, len);
	if (what < 6)
		w->r = chain_write(c->chain, c->model.bytes + off, off, len);
	else
		w->r = chain_zero(c->chain, off, len, what == 7);
}

static void write_shared(struct worker *w)
{
	uint64_t first = below(w, N_SHARED);
	uint64_t n =
		1 + random_upto(&w->seed, min_u64(31, N_SHARED - first - 1));
	uint64_t tag = (uint64_t)(w->number + 1) << 56 | ++w->changes;
	uint64_t *words = malloc(n * UNIT);

	for (uint64_t i = 0; i < n * UNIT / 8; i++)
		words[i] = tag;
	for (uint64_t i = 0; i < n; i++)
		w->last[first + i] = tag;
	w->r = chain_write(w->team->chain, words, (SHARED + first) * UNIT,
			   n * UNIT);
	free(words);
}

/* Zeros a run of shared units, often a whole block. */
static void zero_shared(struct worker *w)
{
	uint64_t n = BLOCK / UNIT, first = below(w, N_SHARED / n) * n;

	if (below(w, 2)) {
		first = below(w, N_SHARED);
		n = 1 + below(w, N_SHARED - first);
	}
	for (uint64_t i = 0; i < n; i++)
		w->last[first + i] = 0;
	w->r = chain_zero(w->team->chain, (SHARED + first) * UNIT, n * UNIT,
			  below(w, 4) != 0);
}

/* Reads and maps ranges that other threads change; ignores the contents. */
static void look_around(struct worker *w)
{
	static _Thread_local uint8_t have[64 * UNIT];
	uint64_t off = below(w, UNITS - 64) * UNIT;
	struct chain_extent e;

	if (below(w, 2))
		w->r = chain_read(w->team->chain, have, off, sizeof have);
	else
		w->r = chain_map(w->team->chain, off, sizeof have, &e);
}

static bool is_over(const struct timespec *until)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > until->tv_sec ||
	       (now.tv_sec == until->tv_sec && now.tv_nsec > until->tv_nsec);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (w->r >= 0 && !w->wrong && !is_over(&w->team->until)) {
		unsigned what = below(w, 32);

		if (what < 12)
			change_own(w);
		else if (what < 20)
			read_own(w);
		else if (what < 25)
			write_shared(w);
		else if (what < 27)
			zero_shared(w);
		else if (what < 31)
			look_around(w);
		else
			w->r = chain_flush(w->team->chain);
	}
	return NULL;
}

static void team_begin(struct team *c, struct chain *chain, unsigned n,
		       uint64_t milliseconds, uint64_t *seed)
{
	c->chain = chain;
	c->n = n;
	clock_gettime(CLOCK_MONOTONIC, &c->until);
	c->until.tv_sec += milliseconds / 1000;
	c->until.tv_nsec += milliseconds % 1000 * 1000000;
	if (c->until.tv_nsec >= 1000000000) {
		c->until.tv_nsec -= 1000000000;
		c->until.tv_sec++;
	}
	model_init(&c->model, chain_size(chain));
	assert_ok(chain_read(chain, c->model.bytes, 0, c->model.size));
	for (unsigned i = 0; i < n; i++) {
		struct worker *w = &c->workers[i];

		*w = (struct worker){ .team = c,
				      .number = i,
				      .seed = random_next(seed) };
		memset(w->last, 0xff, sizeof w->last);
		assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
	}
}

static void team_end(struct team *c)
{
	for (unsigned i = 0; i < c->n; i++)
		pthread_join(c->workers[i].thread, NULL);
	for (unsigned i = 0; i < c->n; i++) {
		const struct worker *w = &c->workers[i];

		if (w->wrong)
			print_error("thread %u, offset %" PRIu64 ": %s\n", i,
				    w->wrong_off, w->wrong);
		assert_null(w->wrong);
		assert_int_equal(w->r, 0);
	}
}

/* May the shared unit hold tag: the last change of a thread, or, where no
 * thread changed it, the bytes before? */
static bool is_allowed(const struct team *c, uint64_t unit, uint64_t tag,
		       uint64_t before)
{
	bool touched = false;

	for (unsigned i = 0; i < c->n; i++) {
		uint64_t last = c->workers[i].last[unit];

		touched |= last != UNTOUCHED;
		if (last != UNTOUCHED && last == tag)
			return true;
	}
	return !touched && tag == before;
}

static void check_shared(const struct team *c, const uint8_t *have)
{
	for (uint64_t i = 0; i < (uint64_t)N_SHARED * UNIT; i += 8) {
		uint64_t tag, first, before;

		memcpy(&tag, have + i, 8);
		memcpy(&first, have + i - i % 512, 8);
		memcpy(&before, c->model.bytes + (uint64_t)SHARED * UNIT + i,
		       8);
		if (is_allowed(c, i / UNIT, tag, before) &&
		    (tag == first || tag == before))
			continue;
		print_error("shared byte %" PRIu64 ": expected the last change "
			    "of a thread, found 0x%016" PRIx64 " (its sector "
			    "begins with 0x%016" PRIx64 ")\n",
			    (uint64_t)SHARED * UNIT + i, tag, first);
		_fail(__FILE__, __LINE__);
	}
}

/* Compares the disk with the model.  All threads have ended. */
static void team_check(const struct team *c, struct chain *chain)
{
	uint64_t own = (uint64_t)SHARED * UNIT;
	uint8_t *have = malloc(c->model.size);

	assert_ok(chain_read(chain, have, 0, c->model.size));
	for (uint64_t i = 0; i < own; i++)
		if (have[i] != c->model.bytes[i])
			print_error("byte %" PRIu64 ": expected 0x%02x, found "
				    "0x%02x\n",
				    i, c->model.bytes[i], have[i]),
				_fail(__FILE__, __LINE__);
	check_shared(c, have + own);
	free(have);
}

static void team_fini(struct team *c)
{
	model_fini(&c->model);
}

/* Writes to some units of the first 200 of every 512. */
static void fill_parent(struct store *store, const char *name, char byte)
{
	struct chain *chain = disk_open(store, name, CHAIN_WRITABLE);
	uint8_t unit[UNIT];

	memset(unit, byte, sizeof unit);
	for (uint64_t i = byte % 5; i < UNITS; i += 5)
		if (i % 512 < 200)
			assert_ok(chain_write(chain, unit, i * UNIT, UNIT));
	assert_ok(chain_close(chain));
}

/* Creates leaf0.E; for a child shape base.E, its child mid.E, and leaves of
 * that. */
static void create_images(const char *dir, struct store *store,
			  const struct shape *shape, unsigned leaves)
{
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = (uint64_t)UNITS * UNIT,
				       .block_size = BLOCK,
				       .sector_size = shape->sector_size };
	char base[32], mid[32], leaf[32], relative[40];

	snprintf(base, sizeof base, shape->child ? "base.%s" : "leaf0.%s",
		 shape->ending);
	disk_create(dir, base, &params);
	fill_parent(store, base, 'b');
	if (!shape->child)
		return;
	snprintf(mid, sizeof mid, "mid.%s", shape->ending);
	snprintf(relative, sizeof relative, "./%s", base);
	disk_create_child(dir, mid, base, relative, BLOCK);
	fill_parent(store, mid, 'm');
	snprintf(relative, sizeof relative, "./%s", mid);
	for (unsigned i = 0; i < leaves; i++) {
		snprintf(leaf, sizeof leaf, "leaf%u.%s", i, shape->ending);
		disk_create_child(dir, leaf, mid, relative, BLOCK);
	}
}

/* One run on a disk: open, change, close, check, open and read. */
struct run {
	pthread_t thread;
	const char *dir;
	struct store *store;
	char name[32];
	unsigned workers;
	uint64_t milliseconds, seed;
	struct team team;
};

static void run_begin(struct run *run)
{
	team_begin(&run->team, disk_open(run->store, run->name, CHAIN_WRITABLE),
		   run->workers, run->milliseconds, &run->seed);
}

static void run_end(struct run *run)
{
	struct chain *chain;

	team_end(&run->team);
	team_check(&run->team, run->team.chain);
	assert_ok(chain_close(run->team.chain));
	disk_check(run->dir, run->name);
	chain = disk_open(run->store, run->name, 0);
	team_check(&run->team, chain);
	assert_ok(chain_close(chain));
	team_fini(&run->team);
}

/* Milliseconds for one of so many parts. */
static uint64_t part_of_time(unsigned parts)
{
	const char *minutes = getenv("VHDFS_LONG");
	uint64_t all = minutes ? strtoull(minutes, NULL, 10) * 60000 : 0;

	return max_u64(all, 8000) / parts;
}

enum { ROUNDS = 3, PARTS = N_SHAPES + 2 };

static void many_threads_on_one_image(void **state, const struct shape *shape)
{
	struct run *run = calloc(1, sizeof *run);
	uint64_t seed = seed_from_environment();
	struct store store;

	store_open(&store, *state);
	create_images(*state, &store, shape, 1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		*run = (struct run){ .dir = *state,
				     .store = &store,
				     .workers = WORKERS_MAX,
				     .milliseconds =
					     part_of_time(PARTS) / ROUNDS,
				     .seed = random_next(&seed) };
		snprintf(run->name, sizeof run->name, "leaf0.%s",
			 shape->ending);
		run_begin(run);
		run_end(run);
	}
	store_close(&store);
	free(run);
}

/* The children are opened and closed at different times. */
static void many_children_of_one_parent(void **state, const struct shape *shape)
{
	struct run *runs = calloc(CHILDREN, sizeof *runs);
	uint64_t seed = seed_from_environment();
	uint64_t all = part_of_time(PARTS);
	struct store store;

	store_open(&store, *state);
	create_images(*state, &store, shape, CHILDREN);
	for (unsigned i = 0; i < CHILDREN * ROUNDS; i++) {
		struct run *run = &runs[i % CHILDREN];

		if (i >= CHILDREN)
			run_end(run);
		*run = (struct run){ .dir = *state,
				     .store = &store,
				     .workers = 2,
				     .milliseconds =
					     all / ROUNDS * (1 + i % 3) / 2,
				     .seed = random_next(&seed) };
		snprintf(run->name, sizeof run->name, "leaf%u.%s", i % CHILDREN,
			 shape->ending);
		run_begin(run);
	}
	for (unsigned i = 0; i < CHILDREN; i++)
		run_end(&runs[i]);
	store_close(&store);
	free(runs);
}

#define SHAPE(test, f, number)             \
	static void test(void **state)     \
	{                                  \
		f(state, &shapes[number]); \
	}

SHAPE(threads_on_a_dynamic_vhd, many_threads_on_one_image, 0)
SHAPE(threads_on_a_child_vhd, many_threads_on_one_image, 1)
SHAPE(threads_on_a_dynamic_vhdx, many_threads_on_one_image, 2)
SHAPE(threads_on_a_child_vhdx, many_threads_on_one_image, 3)
SHAPE(threads_on_a_dynamic_vhdx_of_4k, many_threads_on_one_image, 4)
SHAPE(threads_on_a_child_vhdx_of_4k, many_threads_on_one_image, 5)
SHAPE(children_of_one_vhd, many_children_of_one_parent, 1)
SHAPE(children_of_one_vhdx, many_children_of_one_parent, 3)

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(threads_on_a_dynamic_vhd),
		TEST(threads_on_a_child_vhd),
		TEST(threads_on_a_dynamic_vhdx),
		TEST(threads_on_a_child_vhdx),
		TEST(threads_on_a_dynamic_vhdx_of_4k),
		TEST(threads_on_a_child_vhdx_of_4k),
		TEST(children_of_one_vhd),
		TEST(children_of_one_vhdx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
