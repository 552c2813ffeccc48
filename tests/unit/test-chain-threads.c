/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several threads on one chain.  Each thread owns every fourth run of sectors,
 * so that all of them allocate, mark and punch in the same blocks, and each
 * compares its own runs with the model.
 */
#include "unit/pairs.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"

enum { WRITERS = 4, RUN = 4096, STEPS = 400 };

struct worker {
	pthread_t thread;
	unsigned number;
	uint64_t seed;
	struct chain *chain;
	struct model *model; /* shared; each thread uses its own runs only */
	bool syncs;          /* after every write, for copy-up */
	int r;               /* the first error */
	uint64_t wrong;      /* runs that differed from the model */
};

static void check_run(struct worker *w, uint64_t off)
{
	uint8_t have[RUN];

	w->r = chain_read(w->chain, have, off, RUN);
	if (w->r == 0 && memcmp(have, w->model->bytes + off, RUN) != 0)
		w->wrong++;
}

/* One operation on a run of the worker's own. */
static void work_once(struct worker *w)
{
	uint64_t runs = w->model->size / RUN / WRITERS;
	uint64_t off =
		(random_next(&w->seed) % runs * WRITERS + w->number) * RUN;
	uint8_t *mine = w->model->bytes + off;
	unsigned what = random_next(&w->seed) % 8;

	if (what < 4) {
		/* One write in four does not begin at a sector. */
		size_t skip = what == 3 ? 100 : 0;

		memset(mine + skip, (int)random_next(&w->seed), RUN - skip);
		w->r = chain_write(w->chain, mine + skip, off + skip,
				   RUN - skip);
		if (w->r == 0 && w->syncs)
			w->r = chain_flush(w->chain);
	} else if (what == 4) {
		memset(mine, 0, RUN);
		w->r = chain_zero(w->chain, off, RUN, true);
	} else if (what == 5 && random_next(&w->seed) % 8 == 0) {
		w->r = chain_flush(w->chain);
	} else {
		check_run(w, off);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < STEPS && w->r == 0; i++)
		work_once(w);
	return NULL;
}

static void work_side_by_side(void **state, unsigned writers, bool syncs)
{
	uint64_t seed = seed_from_environment();
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct worker workers[WRITERS] = { 0 };
		struct model model;
		struct chain *chain;

		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), CHAIN_WRITABLE);
		model_init(&model, chain_size(chain));
		assert_ok(chain_read(chain, model.bytes, 0, model.size));
		for (unsigned i = 0; i < writers; i++) {
			workers[i] = (struct worker){ .number = i,
						      .seed = seed + i,
						      .chain = chain,
						      .model = &model,
						      .syncs = syncs };
			pthread_create(&workers[i].thread, NULL, work,
				       &workers[i]);
		}
		for (unsigned i = 0; i < writers; i++) {
			pthread_join(workers[i].thread, NULL);
			assert_int_equal(workers[i].r, 0);
			assert_int_equal(workers[i].wrong, 0);
		}
		model_compare(&model, chain);
		assert_ok(chain_close(chain));
		disk_check(*state, named("child", e));
		chain = disk_open(&store, named("child", e), 0);
		model_compare(&model, chain);
		assert_ok(chain_close(chain));
		model_fini(&model);
	}
	store_close(&store);
}

static void concurrent_writers_keep_each_others_data(void **state)
{
	work_side_by_side(state, WRITERS, false);
}

/* A copy-up runs while the other thread writes to the same 64 KiB. */
static void concurrent_copyups_keep_each_others_data(void **state)
{
	work_side_by_side(state, 2, true);
}

struct opener {
	pthread_t thread;
	struct store *store;
	const char *name;
	const char *parent; /* changes its mode before each open; or null */
	int r;
};

static void *open_and_close(void *arg)
{
	struct opener *o = arg;

	for (int i = 0; i < 50 && o->r == 0; i++) {
		struct chain *chain;
		char c;

		if (o->parent)
			chmod(o->parent, i % 2 ? 0600 : 0640);
		o->r = chain_open(o->store->cache, o->name, 0, &chain);
		if (o->r < 0)
			break;
		o->r = chain_read(chain, &c, M, 1);
		if (o->r == 0 && c != 'b')
			o->r = 1;
		chain_close(chain);
	}
	return NULL;
}

static void open_concurrently(struct store *store, const char *name,
			      const char *parent)
{
	struct opener openers[4] = { 0 };

	for (unsigned i = 0; i < 4; i++) {
		openers[i].store = store;
		openers[i].name = name;
		openers[i].parent = parent;
		pthread_create(&openers[i].thread, NULL, open_and_close,
			       &openers[i]);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(openers[i].thread, NULL);
		assert_int_equal(openers[i].r, 0);
	}
}

static void chains_open_and_close_concurrently(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		make_pair(*state, &store, e);
		open_concurrently(&store, named("child", e), NULL);
	}
	store_close(&store);
}

/* The openers share an open parent, and each renews its stamp.
 * ThreadSanitizer reports an access without the cache's lock. */
static void open_parent_changes_its_mode_under_concurrent_opens(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain *chain;

		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), 0);
		open_concurrently(&store, named("child", e),
				  scratch_path(state, named("base", e)));
		assert_ok(chain_close(chain));
	}
	store_close(&store);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(concurrent_writers_keep_each_others_data),
		TEST(concurrent_copyups_keep_each_others_data),
		TEST(chains_open_and_close_concurrently),
		TEST(open_parent_changes_its_mode_under_concurrent_opens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
