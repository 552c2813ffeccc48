/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults: a guest opens, reads, writes, punches, flushes and closes.  In run
 * number N the Nth access or allocation fails, once or from then on; the last
 * run is the one without a fault.  The results that the guest got must be true,
 * and the file must pass as after a crash (judge.h).  The same for create,
 * check, check --repair and the replay of a log.
 */
#include "config.h"

#include "crash/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"
#include "format/vhd.h"
#include "format/vhdx.h"

static const struct scenario scenarios[] = {
	{
		.name = "vhd_dynamic",
		.format = &vhd_ops,
		.type = IMAGE_DYNAMIC,
		.block_size = KIB(16),
		.area = KIB(96),
		.stride = KIB(96),
		.n_areas = 1,
		.steps = 16,
		.whole = 10,
		.punch = 20,
		.zero = 8,
		.flush = 14,
		.reopen = 8,
	},
	{
		.name = "vhd_child",
		.format = &vhd_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 2,
		.block_size = KIB(16),
		.area = KIB(96),
		.stride = KIB(96),
		.n_areas = 1,
		.steps = 16,
		.whole = 10,
		.punch = 14,
		.zero = 10,
		.flush = 14,
		.reopen = 8,
	},
	{
		.name = "vhdx_dynamic",
		.format = &vhdx_ops,
		.type = IMAGE_DYNAMIC,
		.block_size = MIB(1),
		.area = KIB(16),
		.stride = MIB(1),
		.n_areas = 4,
		.steps = 14,
		.whole = 2,
		.punch = 20,
		.zero = 8,
		.flush = 14,
		.reopen = 8,
	},
	{
		.name = "vhdx_child",
		.format = &vhdx_ops,
		.type = IMAGE_DIFFERENCING,
		.parents = 2,
		.block_size = MIB(1),
		.sector_size = 4096,
		.area = KIB(32),
		.stride = MIB(1),
		.n_areas = 4,
		.steps = 14,
		.whole = 2,
		.punch = 14,
		.zero = 10,
		.flush = 14,
		.reopen = 8,
	},
};

enum {
	SCENARIOS = sizeof scenarios / sizeof *scenarios,
	TESTS = SCENARIOS + 6
};

static const char *const kinds[] = { "EIO", "ENOSPC", "short", "memory",
				     "room, page" };

/* The current faults and seed, for the message of a failed test. */
static struct faults now;
static uint64_t now_seed;

static long open_before;

/* Before a run: leaks of earlier runs are not counted. */
static void begin(void)
{
	faults_forget_live();
	open_before = faults_open_files();
}

static void expect_no_leaks(void)
{
	assert_int_equal(faults_open_files(), open_before);
	assert_int_equal(faults_live(), 0);
}

/* Runs the guest once: has the fault fired? */
static bool run_guest(const struct scenario *scenario, uint64_t seed)
{
	struct judge judge = { .seed = seed };
	struct world world;

	begin();
	world_init(&world, scenario, seed, &now);
	expect_no_leaks();
	world.faults = NULL;
	judge.world = &world;
	judge_state(&judge, &world.leaf.now, world.leaf.n);
	world_fini(&world);
	return now.fired;
}

/* As run_guest, with power cuts at each sync and at the end. */
static bool run_guest_and_cut(const struct scenario *scenario, uint64_t seed)
{
	struct judge judge = { .seed = seed };
	struct crash_states states;
	struct mem_file file;
	struct world world;

	begin();
	world_init(&world, scenario, seed, &now);
	world.faults = NULL;
	judge.world = &world;
	crash_states_init(&states, &world.leaf);
	mem_file_init(&file);
	for (size_t n = 1; n <= world.leaf.n; n++) {
		if (n < world.leaf.n && world.leaf.ops[n].kind != CRASH_SYNC)
			continue;
		crash_state(&states, n, random_next(&judge.seed) % FATES,
			    &judge.seed, &file);
		judge_state(&judge, &file, n);
	}
	mem_file_fini(&file);
	crash_states_fini(&states);
	world_fini(&world);
	return now.fired;
}

typedef bool run_fn(const struct scenario *scenario, uint64_t seed);

/* All kinds of faults at all places of a run: returns their number. */
static unsigned long everywhere(run_fn *run, const struct scenario *scenario,
				uint64_t seed)
{
	unsigned long n = 0;

	now_seed = seed;
	for (enum fault_kind kind = FAULT_EIO; kind <= FAULT_MEMORY; kind++)
		for (int forever = 0; forever < 2; forever++)
			for (unsigned at = 1;; at++, n++) {
				now = (struct faults){ .kind = kind,
						       .forever = forever,
						       .at = at };
				if (!run(scenario, seed))
					break;
			}
	now_seed = 0;
	return n;
}

static void guest_meets_faults(void **state)
{
	const struct scenario *scenario = *state;
	double deadline = test_deadline(0, TESTS);
	uint64_t seed = seed_from_environment();
	unsigned long n = 0;

	do {
		n += everywhere(run_guest, scenario, seed);
		random_next(&seed);
	} while (test_time_is_left(deadline));
	printf("# %s: %lu faults\n", scenario->name, n);
}

static void power_cut_after_a_fault(void **state)
{
	double deadline = test_deadline(0, TESTS);
	uint64_t seed = seed_from_environment();
	unsigned long n = 0;

	(void)state;
	do {
		for (size_t i = 0; i < SCENARIOS; i++)
			n += everywhere(run_guest_and_cut, &scenarios[i], seed);
		random_next(&seed);
	} while (test_time_is_left(deadline));
	printf("# %lu faults\n", n);
}

static bool run_on_full_disk(const struct scenario *scenario, uint64_t seed)
{
	now.kind = FAULT_ROOM;
	return run_guest(scenario, seed);
}

static void disk_full_at_each_size(void **state)
{
	uint64_t seed = seed_from_environment();
	unsigned long n = 0;

	(void)state;
	for (size_t i = 0; i < SCENARIOS; i++)
		for (unsigned at = 1;; at += 1 + at / 16, n++) {
			now_seed = seed;
			now = (struct faults){ .at = at };
			if (!run_on_full_disk(&scenarios[i], seed))
				break;
		}
	now_seed = 0;
	printf("# %lu sizes\n", n);
}

/* A file after a crash, with a log to replay, damage to repair and leaks. */
struct crashed {
	struct world world;
	struct mem_file file;
	size_t n;
};

static void make_crashed(struct crashed *crashed,
			 const struct scenario *scenario, uint64_t seed)
{
	struct crash_states states;

	world_init(&crashed->world, scenario, seed, NULL);
	crashed->n = crashed->world.leaf.n * 2 / 3;
	mem_file_init(&crashed->file);
	crash_states_init(&states, &crashed->world.leaf);
	crash_state(&states, crashed->n, FATE_SOME, &seed, &crashed->file);
	crash_states_fini(&states);
}

static void crashed_fini(struct crashed *crashed)
{
	mem_file_fini(&crashed->file);
	world_fini(&crashed->world);
}

static void ignore(struct check *check, const struct finding *finding)
{
	(void)check;
	(void)finding;
}

static int check_with_faults(struct mem_file *file, bool repair)
{
	struct check check = { .repair = repair, .report = ignore };
	struct fault_file source = { (rootdir_mem_open *)io_mem_open, file };
	struct io *io;
	int r;

	begin();
	assert_ok(io_fault_open(&source, "leaf", repair, &io));
	faults_arm(&now);
	r = image_check(io, &check);
	faults_arm(NULL);
	io_close(io);
	expect_no_leaks();
	return r;
}

/* Expects that the file passes as before the faults. */
static void judge_crashed(struct crashed *crashed, uint64_t seed)
{
	struct judge judge = { .world = &crashed->world, .seed = seed };

	judge_state(&judge, &crashed->file, crashed->n);
}

static bool repair_with_faults(const struct scenario *scenario, uint64_t seed)
{
	struct crashed crashed;
	int r;

	make_crashed(&crashed, scenario, seed);
	r = check_with_faults(&crashed.file, true);
	if (!now.fired)
		assert_ok(r);
	judge_crashed(&crashed, seed);
	crashed_fini(&crashed);
	return now.fired;
}

static void expect_same_bytes(const struct mem_file *a,
			      const struct mem_file *b)
{
	uint8_t x[MEM_PAGE], y[MEM_PAGE];

	assert_int_equal(a->size, b->size);
	for (uint64_t off = 0; off < a->size; off += MEM_PAGE) {
		mem_file_peek(a, x, sizeof x, off);
		mem_file_peek(b, y, sizeof y, off);
		assert_memory_equal(x, y, sizeof x);
	}
}

static bool run_check_with_faults(const struct scenario *scenario,
				  uint64_t seed)
{
	struct mem_file before;
	struct crashed crashed;
	int r;

	make_crashed(&crashed, scenario, seed);
	mem_file_init(&before);
	mem_file_copy(&before, &crashed.file);
	r = check_with_faults(&crashed.file, false);
	if (!now.fired)
		assert_ok(r);
	expect_same_bytes(&before, &crashed.file);
	mem_file_fini(&before);
	crashed_fini(&crashed);
	return now.fired;
}

/* Opens for reading, which replays a log in memory, and for writing, which also
 * writes it to the file. */
static bool open_with_faults(const struct scenario *scenario, uint64_t seed)
{
	struct crashed crashed;
	struct visit visit;
	struct fault_file source = { (rootdir_mem_open *)io_mem_open,
				     &crashed.file };

	make_crashed(&crashed, scenario, seed);
	for (int writable = 0; writable < 2; writable++) {
		int r;

		begin();
		crashed.world.faults = &now;
		r = visit_open(&crashed.world, &visit, io_fault_open, &source,
			       writable);
		if (r == 0)
			visit_close(&visit);
		crashed.world.faults = NULL;
		if (!now.fired)
			assert_ok(r);
		expect_no_leaks();
	}
	judge_crashed(&crashed, seed);
	crashed_fini(&crashed);
	return now.fired;
}

static bool create_with_faults(const struct scenario *scenario, uint64_t seed)
{
	struct image_params params = {
		.type = scenario->parents ? IMAGE_FIXED : IMAGE_DYNAMIC,
		.size = MIB(4),
		.sector_size = scenario->sector_size,
	};
	struct mem_file file;
	struct fault_file source = { (rootdir_mem_open *)io_mem_open, &file };
	struct image *img;
	struct io *io;
	int r;

	(void)seed;
	mem_file_init(&file);
	begin();
	assert_ok(io_fault_open(&source, "new", true, &io));
	faults_arm(&now);
	r = image_create(io, scenario->format, &params);
	faults_arm(NULL);
	io_close(io);
	expect_no_leaks();
	if (!now.fired)
		assert_ok(r);
	/* An image whose creation succeeded opens. */
	if (r == 0) {
		assert_ok(io_mem_open(&file, "new", true, &io));
		assert_ok(image_open(io, NULL, &img));
		assert_ok(image_close(img));
	}
	mem_file_fini(&file);
	return now.fired;
}

static void over_all(run_fn *run, const char *name)
{
	double deadline = test_deadline(0, TESTS);
	uint64_t seed = seed_from_environment();
	unsigned long n = 0;

	do {
		for (size_t i = 0; i < SCENARIOS; i++)
			n += everywhere(run, &scenarios[i], seed);
		random_next(&seed);
	} while (test_time_is_left(deadline));
	printf("# %s: %lu faults\n", name, n);
}

static void create_meets_faults(void **state)
{
	(void)state;
	over_all(create_with_faults, "create");
}

static void check_meets_faults(void **state)
{
	(void)state;
	over_all(run_check_with_faults, "check");
}

static void repair_meets_faults(void **state)
{
	(void)state;
	over_all(repair_with_faults, "check --repair");
}

static void opening_after_a_crash_meets_faults(void **state)
{
	(void)state;
	over_all(open_with_faults, "open");
}

/* Prints how to reproduce a failure. */
static int print_fault(void **state)
{
	(void)state;
	faults_arm(NULL);
	if (now_seed)
		print_error("failed with VHDFS_SEED=%" PRIu64
			    ": %s number %u%s\n",
			    now_seed, kinds[now.kind], now.at,
			    now.forever ? " and all after" : "");
	now_seed = 0;
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[TESTS] = {
		[SCENARIOS] = cmocka_unit_test_teardown(create_meets_faults,
							print_fault),
		[SCENARIOS + 1] = cmocka_unit_test_teardown(check_meets_faults,
							    print_fault),
		[SCENARIOS + 2] = cmocka_unit_test_teardown(repair_meets_faults,
							    print_fault),
		[SCENARIOS + 3] = cmocka_unit_test_teardown(
			opening_after_a_crash_meets_faults, print_fault),
		[SCENARIOS + 5] = cmocka_unit_test_teardown(
			power_cut_after_a_fault, print_fault),
	};

	tests[SCENARIOS + 4] = (struct CMUnitTest)cmocka_unit_test_teardown(
		disk_full_at_each_size, print_fault);
	for (size_t i = 0; i < SCENARIOS; i++)
		tests[i] = (struct CMUnitTest){
			.name = scenarios[i].name,
			.test_func = guest_meets_faults,
			.teardown_func = print_fault,
			.initial_state = (void *)&scenarios[i],
		};
	/* The two scenarios that take seconds. */
	if (getenv("VHDFS_SAMPLE"))
		cmocka_set_test_filter("vhd*_dynamic");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
