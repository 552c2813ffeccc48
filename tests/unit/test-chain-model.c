/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random operations on chains of many shapes, compared with a flat array.
 * After each round the chain is closed, checked, opened and compared again, and
 * the parents' files must be unchanged.  Disks of children may have another
 * size than their parents'.
 */
#include "unit/disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"

enum { ROUNDS = 4, STEPS = 60 };

struct shape {
	const char *ending;
	enum image_type base;
	uint32_t sector_size;
	uint64_t size;
	/* Block sizes from the base to the leaf, 0: the default; and the number
	 * of images. */
	uint64_t blocks[4];
	unsigned n;
	/* Sizes of the children's disks; 0: the parent's size. */
	uint64_t sizes[4];
};

static void stat_file(const char *dir, const char *name, struct stat *st)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	assert_int_equal(stat(path, st), 0);
}

static void file_is_unchanged(const char *dir, const char *name,
			      const struct stat *before)
{
	struct stat now;

	stat_file(dir, name, &now);
	assert_int_equal(now.st_mtim.tv_sec, before->st_mtim.tv_sec);
	assert_int_equal(now.st_mtim.tv_nsec, before->st_mtim.tv_nsec);
	assert_int_equal(now.st_size, before->st_size);
}

static void exercise_leaf(struct store *store, const char *dir,
			  const char *name, struct model *model, uint64_t *seed)
{
	struct chain *chain;

	for (int round = 0; round < ROUNDS; round++) {
		chain = disk_open(store, name, CHAIN_WRITABLE);
		model_compare(model, chain);
		model_exercise(model, chain, seed, STEPS);
		assert_ok(chain_close(chain));
		disk_check(dir, name);
	}
	chain = disk_open(store, name, 0);
	model_compare(model, chain);
	model_compare_map(model, chain);
	assert_ok(chain_close(chain));
}

static void exercise_shape(void **state, const struct shape *shape,
			   uint64_t seed)
{
	const char *dir = *state;
	char name[32] = "", parent[32] = "", relative[40];
	struct stat before = { 0 };
	struct image_params params = { .type = shape->base,
				       .size = shape->size,
				       .block_size = shape->blocks[0],
				       .sector_size = shape->sector_size };
	struct store store;
	struct model model;

	store_open(&store, dir);
	model_init(&model, shape->size);
	for (unsigned level = 0; level < shape->n; level++) {
		snprintf(name, sizeof name, "level%u.%s", level, shape->ending);
		snprintf(relative, sizeof relative, "./%s", parent);
		if (level)
			disk_create_resized(dir, name, parent, relative,
					    shape->blocks[level],
					    shape->sizes[level]);
		else
			disk_create(dir, name, &params);
		if (shape->sizes[level])
			model_resize(&model, shape->sizes[level]);
		if (level)
			stat_file(dir, parent, &before);
		exercise_leaf(&store, dir, name, &model, &seed);
		if (level)
			file_is_unchanged(dir, parent, &before);
		strcpy(parent, name);
	}
	model_fini(&model);
	store_close(&store);
}

static const uint64_t K = 1 << 10, M = 1 << 20;

#define SHAPE(test, ...)                                              \
	static void test(void **state)                                \
	{                                                             \
		exercise_shape(state, &(struct shape){ __VA_ARGS__ }, \
			       seed_from_environment());              \
	}

SHAPE(vhd_dynamic_of_default_blocks, "vhd", IMAGE_DYNAMIC, 512, 7 * M + 512,
      { 2 * M }, 1, { 0 })
SHAPE(vhd_chain_of_equal_blocks, "vhd", IMAGE_DYNAMIC, 512, 6 * M,
      { 512 * K, 512 * K, 512 * K }, 3, { 0 })
SHAPE(vhd_chain_of_mixed_blocks_over_a_fixed_base, "vhd", IMAGE_FIXED, 512,
      9 * M + 3 * 512, { 0, 512 * K, 4 * M, 64 * K }, 4, { 0 })
SHAPE(vhdx_dynamic_of_default_blocks, "vhdx", IMAGE_DYNAMIC, 512, 7 * M + 512,
      { 32 * M }, 1, { 0 })
SHAPE(vhdx_fixed, "vhdx", IMAGE_FIXED, 512, 5 * M, { 2 * M }, 1, { 0 })
SHAPE(vhdx_chain_of_equal_blocks, "vhdx", IMAGE_DYNAMIC, 512, 7 * M,
      { 1 * M, 1 * M, 1 * M }, 3, { 0 })
SHAPE(vhdx_chain_of_mixed_blocks_over_a_fixed_base, "vhdx", IMAGE_FIXED, 512,
      9 * M + 7 * 512, { 2 * M, 1 * M, 4 * M, 2 * M }, 4, { 0 })
SHAPE(vhdx_chain_of_4k_sectors, "vhdx", IMAGE_DYNAMIC, 4096, 6 * M + 4096,
      { 2 * M, 1 * M, 2 * M }, 3, { 0 })

SHAPE(vhd_children_larger_and_smaller, "vhd", IMAGE_DYNAMIC, 512, 3 * M + 512,
      { 512 * K, 2 * M, 64 * K, 512 * K }, 4,
      { 0, 5 * M + 3 * 512, 2 * M + 512, 4 * M })
SHAPE(vhdx_children_larger_and_smaller, "vhdx", IMAGE_DYNAMIC, 512, 3 * M + 512,
      { 1 * M, 2 * M, 1 * M, 8 * M }, 4,
      { 0, 5 * M + 3 * 512, 2 * M + 512, 4 * M })
SHAPE(vhdx_children_of_4k_sectors_larger_and_smaller, "vhdx", IMAGE_DYNAMIC,
      4096, 3 * M + 4096, { 1 * M, 2 * M, 1 * M }, 3,
      { 0, 5 * M + 3 * 4096, 2 * M + 4096 })

/* Children with random disk and block sizes. */
static void exercise_random_sizes(void **state, const char *ending,
				  uint32_t sector_size)
{
	uint64_t seed = seed_from_environment();
	struct shape shape = { .ending = ending,
			       .base = IMAGE_DYNAMIC,
			       .sector_size = sector_size,
			       .n = 4 };

	for (unsigned i = 0; i < shape.n; i++) {
		shape.sizes[i] =
			sector_size *
			(1 + random_next(&seed) % (5 * M / sector_size));
		shape.blocks[i] = M << random_next(&seed) % 3;
	}
	shape.size = shape.sizes[0];
	exercise_shape(state, &shape, seed);
}

static void vhd_children_of_random_sizes(void **state)
{
	exercise_random_sizes(state, "vhd", 512);
}

static void vhdx_children_of_random_sizes(void **state)
{
	exercise_random_sizes(state, "vhdx", 512);
}

static void vhdx_children_of_4k_sectors_and_random_sizes(void **state)
{
	exercise_random_sizes(state, "vhdx", 4096);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vhd_dynamic_of_default_blocks),
		TEST(vhd_chain_of_equal_blocks),
		TEST(vhd_chain_of_mixed_blocks_over_a_fixed_base),
		TEST(vhdx_dynamic_of_default_blocks),
		TEST(vhdx_fixed),
		TEST(vhdx_chain_of_equal_blocks),
		TEST(vhdx_chain_of_mixed_blocks_over_a_fixed_base),
		TEST(vhdx_chain_of_4k_sectors),
		TEST(vhd_children_larger_and_smaller),
		TEST(vhdx_children_larger_and_smaller),
		TEST(vhdx_children_of_4k_sectors_larger_and_smaller),
		TEST(vhd_children_of_random_sizes),
		TEST(vhdx_children_of_random_sizes),
		TEST(vhdx_children_of_4k_sectors_and_random_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
