/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many threads on one image, and on many images of one family, for a while: for
 * the thread sanitizer, and for what no script thought of.  Whatever they do
 * the result can be told, for a unit of the disk belongs to one of these:
 *
 *   owned    one thread alone writes and zeros it, and knows what it holds
 *   sliced   every thread has some bytes of it, and of its sectors
 *   shared   anybody writes and zeros any run of them; in the end each sector
 *            is as the last change by one of the threads left it
 *
 * Owned and sliced units alternate in the first blocks, the last two are
 * shared. VHDFS_LONG=MINUTES makes all of it take so long.
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

/* What nobody wrote, as the last change of a unit. */
static const uint64_t UNTOUCHED = UINT64_MAX;

/* Those who work on one disk. */
struct crew {
	struct chain *chain;
	struct model model; /* the owned and sliced units; and at the start */
	unsigned n;
	struct timespec until;
	struct worker {
		struct crew *crew;
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

/* A range of the disk that is this thread's alone. */
static uint64_t own_range(struct worker *w, uint64_t *ret_len)
{
	struct crew *c = w->crew;
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

	w->r = chain_read(w->crew->chain, have, off, len);
	if (w->r == 0 && memcmp(have, w->crew->model.bytes + off, len) != 0)
		wrong(w, "a unit is not as its owner left it", off);
}

/* All of it or a part; of an owned unit both also as whole sectors. */
static void change_own(struct worker *w)
{
	struct crew *c = w->crew;
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
	w->r = chain_write(w->crew->chain, words, (SHARED + first) * UNIT,
			   n * UNIT);
	free(words);
}

/* Often a whole block. */
static void zero_shared(struct worker *w)
{
	uint64_t n = BLOCK / UNIT, first = below(w, N_SHARED / n) * n;

	if (below(w, 2)) {
		first = below(w, N_SHARED);
		n = 1 + below(w, N_SHARED - first);
	}
	for (uint64_t i = 0; i < n; i++)
		w->last[first + i] = 0;
	w->r = chain_zero(w->crew->chain, (SHARED + first) * UNIT, n * UNIT,
			  below(w, 4) != 0);
}

/* Of what others change meanwhile only that it can be read and mapped. */
static void look_around(struct worker *w)
{
	static _Thread_local uint8_t have[64 * UNIT];
	uint64_t off = below(w, UNITS - 64) * UNIT;
	struct chain_extent e;

	if (below(w, 2))
		w->r = chain_read(w->crew->chain, have, off, sizeof have);
	else
		w->r = chain_map(w->crew->chain, off, sizeof have, &e);
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

	while (w->r >= 0 && !w->wrong && !is_over(&w->crew->until)) {
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
			w->r = chain_flush(w->crew->chain);
	}
	return NULL;
}

static void crew_begin(struct crew *c, struct chain *chain, unsigned n,
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

		*w = (struct worker){ .crew = c,
				      .number = i,
				      .seed = random_next(seed) };
		memset(w->last, 0xff, sizeof w->last);
		assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
	}
}

static void crew_end(struct crew *c)
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

/* May that shared unit hold this, or the same zeros or bytes as before? */
static bool is_somebodys(const struct crew *c, uint64_t unit, uint64_t tag,
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

static void check_shared(const struct crew *c, const uint8_t *have)
{
	for (uint64_t i = 0; i < (uint64_t)N_SHARED * UNIT; i += 8) {
		uint64_t tag, first, before;

		memcpy(&tag, have + i, 8);
		memcpy(&first, have + i - i % 512, 8);
		memcpy(&before, c->model.bytes + (uint64_t)SHARED * UNIT + i,
		       8);
		if (is_somebodys(c, i / UNIT, tag, before) &&
		    (tag == first || tag == before))
			continue;
		print_error("shared byte %" PRIu64 ": expected the last change "
			    "of a thread, found 0x%016" PRIx64 " (its sector "
			    "begins with 0x%016" PRIx64 ")\n",
			    (uint64_t)SHARED * UNIT + i, tag, first);
		_fail(__FILE__, __LINE__);
	}
}

/* Nobody works any more. */
static void crew_check(const struct crew *c, struct chain *chain)
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

static void crew_fini(struct crew *c)
{
	model_fini(&c->model);
}

/* Of the parents, in every third unit of the first and last blocks. */
static void write_something(struct store *store, const char *name, char byte)
{
	struct chain *chain = disk_open(store, name, CHAIN_WRITABLE);
	uint8_t unit[UNIT];

	memset(unit, byte, sizeof unit);
	for (uint64_t i = byte % 5; i < UNITS; i += 5)
		if (i % 512 < 200)
			assert_ok(chain_write(chain, unit, i * UNIT, UNIT));
	assert_ok(chain_close(chain));
}

/* base.E, mid.E where children are wanted, and the leaves. */
static void make_parent_cache(const char *dir, struct store *store,
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
	write_something(store, base, 'b');
	if (!shape->child)
		return;
	snprintf(mid, sizeof mid, "mid.%s", shape->ending);
	snprintf(relative, sizeof relative, "./%s", base);
	disk_create_child(dir, mid, base, relative, BLOCK);
	write_something(store, mid, 'm');
	snprintf(relative, sizeof relative, "./%s", mid);
	for (unsigned i = 0; i < leaves; i++) {
		snprintf(leaf, sizeof leaf, "leaf%u.%s", i, shape->ending);
		disk_create_child(dir, leaf, mid, relative, BLOCK);
	}
}

/* One go with a disk: opened, worked on, closed, checked, opened and read. */
struct go {
	pthread_t thread;
	const char *dir;
	struct store *store;
	char name[32];
	unsigned workers;
	uint64_t milliseconds, seed;
	struct crew crew;
};

static void go_begin(struct go *g)
{
	crew_begin(&g->crew, disk_open(g->store, g->name, CHAIN_WRITABLE),
		   g->workers, g->milliseconds, &g->seed);
}

static void go_end(struct go *g)
{
	struct chain *chain;

	crew_end(&g->crew);
	crew_check(&g->crew, g->crew.chain);
	assert_ok(chain_close(g->crew.chain));
	disk_check(g->dir, g->name);
	chain = disk_open(g->store, g->name, 0);
	crew_check(&g->crew, chain);
	assert_ok(chain_close(chain));
	crew_fini(&g->crew);
}

/* How long one part of so many of all may take. */
static uint64_t part_of_time(unsigned parts)
{
	const char *minutes = getenv("VHDFS_LONG");
	uint64_t all = minutes ? strtoull(minutes, NULL, 10) * 60000 : 0;

	return max_u64(all, 8000) / parts;
}

enum { ROUNDS = 3, PARTS = N_SHAPES + 2 };

static void many_threads_on_one_image(void **state, const struct shape *shape)
{
	struct go *go = calloc(1, sizeof *go);
	uint64_t seed = seed_from_environment();
	struct store store;

	store_open(&store, *state);
	make_parent_cache(*state, &store, shape, 1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		*go = (struct go){ .dir = *state,
				   .store = &store,
				   .workers = WORKERS_MAX,
				   .milliseconds = part_of_time(PARTS) / ROUNDS,
				   .seed = random_next(&seed) };
		snprintf(go->name, sizeof go->name, "leaf0.%s", shape->ending);
		go_begin(go);
		go_end(go);
	}
	store_close(&store);
	free(go);
}

/* Children of one parent, opened and closed at different times. */
static void many_images_of_one_family(void **state, const struct shape *shape)
{
	struct go *go = calloc(CHILDREN, sizeof *go);
	uint64_t seed = seed_from_environment();
	uint64_t all = part_of_time(PARTS);
	struct store store;

	store_open(&store, *state);
	make_parent_cache(*state, &store, shape, CHILDREN);
	for (unsigned i = 0; i < CHILDREN * ROUNDS; i++) {
		struct go *g = &go[i % CHILDREN];

		if (i >= CHILDREN)
			go_end(g);
		*g = (struct go){ .dir = *state,
				  .store = &store,
				  .workers = 2,
				  .milliseconds =
					  all / ROUNDS * (1 + i % 3) / 2,
				  .seed = random_next(&seed) };
		snprintf(g->name, sizeof g->name, "leaf%u.%s", i % CHILDREN,
			 shape->ending);
		go_begin(g);
	}
	for (unsigned i = 0; i < CHILDREN; i++)
		go_end(&go[i]);
	store_close(&store);
	free(go);
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
SHAPE(family_of_vhd, many_images_of_one_family, 1)
SHAPE(family_of_vhdx, many_images_of_one_family, 3)

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
		TEST(family_of_vhd),
		TEST(family_of_vhdx),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
