/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The crash matrix: for each kind of image and of allocation, power cuts at
 * each sync and at many operations between, with unsynced writes kept, lost and
 * torn in all ways.  The states are judged (judge.h).
 *
 * VHDFS_SEED reproduces a run; VHDFS_LONG=MINUTES repeats with new seeds for
 * that time.  An argument selects the scenarios whose names begin with it.
 */
#include "config.h"

#include "crash/judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "format/vhd.h"
#include "format/vhdx.h"

static const struct scenario scenarios[] = {
	{
		.name = "vhd_fixed",
		.format = &vhd_ops,
		.type = IMAGE_FIXED,
		.area = KIB(256),
		.stride = KIB(256),
		.n_areas = 1,
		.steps = 24,
		.whole = 2,
		.punch = 3,
		.zero = 10,
		.flush = 15,
		.reopen = 3,
		.kill = 6,
	},
	{
		.name = "vhd_dynamic_append_punch_and_recycle",
		.format = &vhd_ops,
		.type = IMAGE_DYNAMIC,
		.block_size = KIB(16),
		.area = KIB(192),
		.stride = KIB(192),
		.n_areas = 1,
		.steps = 40,
		.whole = 12,
		.punch = 22,
		.zero = 6,
		.flush = 12,
		.reopen = 3,
		.kill = 8,
	},
	{
		.name = "vhd_dynamic_blocks_smaller_than_pages",
		.format = &vhd_ops,
		.type = IMAGE_DYNAMIC,
		.block_size = KIB(1),
		.area = KIB(24),
		.stride = KIB(24),
		.n_areas = 1,
		.steps = 40,
		.whole = 12,
		.punch = 22,
		.zero = 6,
		.flush = 12,
		.reopen = 3,
		.kill = 8,
	},
	{
		.name = "vhd_child",
		.format = &vhd_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.block_size = KIB(32),
		.area = KIB(256),
		.stride = KIB(256),
		.n_areas = 1,
		.steps = 36,
		.whole = 8,
		.punch = 16,
		.zero = 10,
		.flush = 12,
		.reopen = 2,
		.kill = 6,
	},
	{
		.name = "vhd_child_larger_than_its_parent",
		.format = &vhd_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.parents_size = KIB(112) + 3 * 512,
		.block_size = KIB(32),
		.area = KIB(256),
		.stride = KIB(256),
		.n_areas = 1,
		.steps = 36,
		.whole = 8,
		.punch = 16,
		.zero = 10,
		.flush = 12,
		.reopen = 2,
		.kill = 6,
	},
	{
		.name = "vhd_chain_of_three",
		.format = &vhd_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 2,
		.block_size = KIB(16),
		.area = KIB(192),
		.stride = KIB(192),
		.n_areas = 1,
		.steps = 36,
		.whole = 8,
		.punch = 12,
		.zero = 10,
		.flush = 12,
		.reopen = 2,
		.kill = 6,
	},
	{
		.name = "vhd_child_bitmaps_of_several_sectors",
		.format = &vhd_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.block_size = MIB(8),
		.area = KIB(64),
		.stride = MIB(3),
		.n_areas = 6,
		.steps = 24,
		.whole = 5,
		.punch = 8,
		.zero = 10,
		.flush = 12,
		.reopen = 2,
		.kill = 6,
	},
	{
		.name = "vhdx_fixed",
		.format = &vhdx_ops,
		.type = IMAGE_FIXED,
		.block_size = MIB(1),
		.area = KIB(32),
		.stride = MIB(1),
		.n_areas = 4,
		.steps = 20,
		.whole = 5,
		.punch = 5,
		.zero = 10,
		.flush = 15,
		.reopen = 3,
		.kill = 6,
	},
	{
		.name = "vhdx_dynamic_append_punch_and_recycle",
		.format = &vhdx_ops,
		.type = IMAGE_DYNAMIC,
		.block_size = MIB(1),
		.area = KIB(32),
		.stride = MIB(1),
		.n_areas = 6,
		.steps = 36,
		.whole = 2,
		.punch = 22,
		.zero = 6,
		.flush = 14,
		.reopen = 3,
		.kill = 8,
	},
	{
		.name = "vhdx_child",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.block_size = MIB(1),
		.area = KIB(32),
		.stride = MIB(1),
		.n_areas = 8,
		.steps = 36,
		.whole = 8,
		.punch = 10,
		.zero = 10,
		.flush = 14,
		.reopen = 2,
		.kill = 6,
	},
	{
		.name = "vhdx_child_larger_than_its_parent",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.parents_size = MIB(4) + 33 * 512,
		.block_size = MIB(1),
		.area = KIB(32),
		.stride = MIB(1),
		.n_areas = 8,
		.steps = 36,
		.whole = 8,
		.punch = 10,
		.zero = 10,
		.flush = 14,
		.reopen = 2,
		.kill = 6,
	},
	{
		.name = "vhdx_child_whole_blocks",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.block_size = MIB(1),
		.area = MIB(4),
		.stride = MIB(4),
		.n_areas = 1,
		.steps = 24,
		.whole = 14,
		.punch = 22,
		.zero = 6,
		.flush = 14,
		.reopen = 3,
		.kill = 8,
	},
	{
		.name = "vhdx_chain_of_three_4k_sectors",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 2,
		.block_size = MIB(1),
		.sector_size = 4096,
		.area = KIB(32),
		.stride = MIB(1),
		.n_areas = 8,
		.steps = 36,
		.whole = 8,
		.punch = 10,
		.zero = 10,
		.flush = 14,
		.reopen = 2,
		.kill = 6,
	},
	{
		/* Each area has a page of the bitmap of its own: entries of
		 * the log are large, and the log wraps. */
		.name = "vhdx_child_log_wraps",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.block_size = MIB(1),
		.area = KIB(4),
		.stride = MIB(17),
		.n_areas = 48,
		.prelude = 900,
		.steps = 120,
		.punch = 2,
		.zero = 4,
		.flush = 4,
	},
	{
		/* More pages become dirty than the log has room for, so a
		 * write flushes first. */
		.name = "vhdx_child_write_flushes_when_the_log_is_full",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.block_size = MIB(1),
		.area = KIB(4),
		.stride = MIB(17),
		.n_areas = 300,
		.prelude = 160,
		.steps = 120,
		.flush = 0,
	},
	{
		/* Two chunks, so two bitmap blocks. */
		.name = "vhdx_child_bitmap_blocks",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 1,
		.block_size = MIB(32),
		.area = KIB(16),
		.stride = GIB(3),
		.n_areas = 6,
		.steps = 30,
		.whole = 5,
		.punch = 5,
		.zero = 5,
		.flush = 14,
		.reopen = 2,
		.kill = 8,
	},
};

static unsigned long n_states, n_recoveries, n_repairs;
/* The seed of the current round, or 0. */
static uint64_t round_seed;

/* Judges the states of all fates before a sync; elsewhere of some, at random.
 */
static void crash_at(struct judge *judge, struct crash_states *states, size_t n,
		     struct mem_file *file)
{
	const struct crash_file *leaf = &judge->world->leaf;
	bool at_sync = n == leaf->n || leaf->ops[n].kind == CRASH_SYNC;

	for (enum crash_fate fate = 0; fate < FATES; fate++) {
		if (!at_sync && random_next(&judge->seed) % (3 * FATES))
			continue;
		/* Without unsynced operations, all fates are the same. */
		if (fate && !crash_unsynced(leaf, n))
			break;
		crash_state(states, n, fate, &judge->seed, file);
		judge_state(judge, file, n);
	}
}

static void expect_parents_unwritten(const struct world *world,
				     const unsigned *writes)
{
	for (unsigned i = 0; i < world->scenario->parents; i++)
		assert_int_equal(world->parents[i].n_pwrite, writes[i]);
}

static void crash_everywhere(const struct scenario *scenario, uint64_t seed)
{
	unsigned writes[WORLD_PARENTS_MAX] = { 0 };
	struct judge judge = { .seed = seed };
	struct crash_states states;
	struct mem_file file;
	struct world world;
	size_t from;

	world_init(&world, scenario, seed, NULL);
	judge.world = &world;
	for (unsigned i = 0; i < scenario->parents; i++)
		writes[i] = world.parents[i].n_pwrite;
	crash_states_init(&states, &world.leaf);
	mem_file_init(&file);
	from = scenario->prelude ? world.steps[scenario->prelude].before : 0;
	for (size_t n = from; n <= world.leaf.n; n++)
		crash_at(&judge, &states, n, &file);
	expect_parents_unwritten(&world, writes);
	mem_file_fini(&file);
	crash_states_fini(&states);
	world_fini(&world);
	n_states += judge.states;
	n_recoveries += judge.recoveries;
	n_repairs += judge.repairs;
}

static void power_cut_leaves_an_allowed_state(void **state)
{
	const struct scenario *scenario = *state;
	const char *brief = getenv("VHDFS_CRASH_SECONDS");
	double deadline = test_deadline(brief ? strtod(brief, NULL) : 2.5,
					sizeof scenarios / sizeof *scenarios);
	uint64_t seed = seed_from_environment();
	unsigned rounds = 0;

	n_states = n_recoveries = n_repairs = 0;
	do {
		round_seed = seed;
		crash_everywhere(scenario, seed);
		random_next(&seed);
		round_seed = 0;
		rounds++;
	} while (test_time_is_left(deadline));
	printf("# %s: %lu states in %u rounds, %lu of them of a recovery, "
	       "%lu repaired\n",
	       scenario->name, n_states, rounds, n_recoveries, n_repairs);
}

/* Prints how to reproduce a failure. */
static int print_seed(void **state)
{
	(void)state;
	if (round_seed)
		print_error("failed with VHDFS_SEED=%" PRIu64
			    " VHDFS_CRASH_SECONDS=0\n",
			    round_seed);
	round_seed = 0;
	return 0;
}

int main(int argc, char **argv)
{
	struct CMUnitTest tests[sizeof scenarios / sizeof *scenarios];
	size_t n = 0;

	for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
		if (argc > 1 &&
		    strncmp(scenarios[i].name, argv[1], strlen(argv[1])) != 0)
			continue;
		tests[n++] = (struct CMUnitTest){
			.name = scenarios[i].name,
			.test_func = power_cut_leaves_an_allowed_state,
			.teardown_func = print_seed,
			.initial_state = (void *)&scenarios[i],
		};
	}
	return _cmocka_run_group_tests("crash", tests, n, NULL, NULL);
}
