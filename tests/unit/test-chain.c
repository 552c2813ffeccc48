/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains: locks, zeros and holes, the map, depth. */
#include "unit/pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "io/io-file.h"

static void second_writer_gets_an_error_with_the_holders_name(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain *chain;

		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), CHAIN_WRITABLE);
		open_fails(&store, named("child", e), CHAIN_WRITABLE, -EBUSY,
			   "in use by test-chain (process ");
		assert_ok(chain_close(chain));
		assert_ok(chain_close(
			disk_open(&store, named("child", e), CHAIN_WRITABLE)));
	}
	store_close(&store);
}

static void parent_in_use_is_not_opened_for_writing(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain *chain;

		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), 0);
		open_fails(&store, named("base", e), CHAIN_WRITABLE, -EBUSY,
			   "in use");
		assert_ok(chain_close(disk_open(&store, named("base", e), 0)));
		assert_ok(chain_close(chain));
	}
	store_close(&store);
}

static void open_without_a_lock_works_while_a_writer_has_it_open(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain *chain;
		char holder[64];

		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), CHAIN_WRITABLE);
		struct chain *look =
			disk_open(&store, named("child", e), CHAIN_NO_LOCK);
		assert_int_equal(io_file_in_use(chain_leaf(look)->io, holder,
						sizeof holder),
				 1);
		assert_ok(chain_close(look));
		assert_ok(chain_close(chain));
	}
	store_close(&store);
}

static void zeros_over_parent_data_read_as_zeros(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		char zeros[512] = "";
		struct chain *chain;

		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), CHAIN_WRITABLE);
		assert_ok(chain_write(chain, zeros, M, sizeof zeros));
		assert_ok(chain_close(chain));
		assert_int_equal(first_byte(&store, named("child", e), M), 0);
		assert_int_equal(first_byte(&store, named("base", e), M), 'b');
	}
	store_close(&store);
}

static void punched_range_in_a_child_hides_parent_data(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		/* Part of a block, and a whole one (2 MiB). */
		for (uint64_t len = 4096; len <= 2 * M; len *= 512) {
			struct chain *chain;

			unlink(scratch_path(state, named("child", e)));
			unlink(scratch_path(state, named("base", e)));
			make_pair(*state, &store, e);
			chain = disk_open(&store, named("child", e),
					  CHAIN_WRITABLE);
			assert_ok(
				chain_zero(chain, len > M ? 0 : M, len, true));
			assert_ok(chain_close(chain));
			assert_int_equal(
				first_byte(&store, named("child", e), M), 0);
		}
	}
	store_close(&store);
}

/* Bytes of the file that are on disk. */
static uint64_t allocated(void **state, const char *name)
{
	struct stat st;

	assert_int_equal(stat(scratch_path(state, name), &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void punched_block_is_freed(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		_cleanup_free_ char *data = malloc(2 * M);
		struct chain *chain;
		uint64_t before, full;

		memset(data, 'd', 2 * M);
		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), CHAIN_WRITABLE);
		/* The first write may allocate a log as well. */
		assert_ok(chain_write(chain, data, 0, 512));
		assert_ok(chain_flush(chain));
		before = allocated(state, named("child", e));
		assert_ok(chain_write(chain, data, 2 * M, 2 * M));
		assert_ok(chain_flush(chain));
		full = allocated(state, named("child", e));
		assert_true(full >= before + 2 * M);
		assert_ok(chain_zero(chain, 2 * M, 2 * M, true));
		assert_ok(chain_close(chain));
		if (allocated(state, named("child", e)) > before + M)
			print_error("%s: expected about %llu bytes on disk\n",
				    e, (unsigned long long)before);
		assert_true(allocated(state, named("child", e)) < before + M);
	}
	store_close(&store);
}

static void map_returns_the_image_that_stores_a_range(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain_extent x;
		struct chain *chain;

		make_pair(*state, &store, e);
		chain = disk_open(&store, named("child", e), CHAIN_WRITABLE);
		assert_ok(chain_write(chain, "c", 0, 1));
		assert_ok(chain_map(chain, 0, 4 * M, &x));
		assert_int_equal(x.depth, 0);
		assert_false(x.zero);
		assert_int_equal(x.len, 512);
		assert_ok(chain_map(chain, 512, 4 * M - 512, &x));
		assert_int_equal(x.depth, -1);
		assert_true(x.zero);
		assert_int_equal(x.len, M - 512);
		assert_ok(chain_map(chain, M, 512, &x));
		assert_int_equal(x.depth, 1);
		assert_false(x.zero);
		assert_ok(chain_zero(chain, M, 512, false));
		assert_ok(chain_map(chain, M, 512, &x));
		assert_int_equal(x.depth, 0);
		assert_ok(chain_close(chain));
	}
	store_close(&store);
}

static void map_finds_holes_in_allocated_blocks(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain_extent x;
		struct chain *chain;

		make_base(*state, named("holes", e));
		chain = disk_open(&store, named("holes", e), CHAIN_WRITABLE);
		assert_ok(chain_write(chain, "d", M / 2, 1));
		assert_ok(chain_flush(chain));
		assert_ok(chain_map(chain, 4096, M, &x));
		assert_true(x.zero);
		assert_int_equal(x.depth, 0);
		assert_true(x.len >= M / 2 - 8192);
		assert_ok(chain_map(chain, M / 2, M, &x));
		assert_false(x.zero);
		assert_true(x.len <= 4096);
		assert_ok(chain_close(chain));
	}
	store_close(&store);
}

static void chain_of_64_parents_reads_data_of_every_level(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		char name[64], parent[64] = "", relative[80];
		struct chain *chain;

		for (unsigned level = 0; level <= 64; level++) {
			snprintf(name, sizeof name, "deep%u.%s", level, e);
			snprintf(relative, sizeof relative, "./%s", parent);
			if (!level)
				make_base(*state, name);
			else
				disk_create_child(*state, name, parent,
						  relative, M << level % 3);
			chain = disk_open(&store, name, CHAIN_WRITABLE);
			assert_int_equal(chain_depth(chain), level);
			assert_ok(chain_write(chain, "v", level * 60000, 1));
			assert_ok(chain_close(chain));
			strcpy(parent, name);
		}
		for (unsigned level = 0; level <= 64; level++)
			assert_int_equal(
				first_byte(&store, parent, level * 60000), 'v');
	}
	store_close(&store);
}

static void raw_file_is_opened_only_with_the_raw_flag(void **state)
{
	struct store store;
	struct chain *chain;

	store_open(&store, *state);
	disk_create(
		*state, "disk.raw",
		&(struct image_params){ .type = IMAGE_FIXED, .size = 1000 });
	open_fails(&store, "disk.raw", 0, -EBADMSG, "VHD or VHDX");
	chain = disk_open(&store, "disk.raw", CHAIN_RAW);
	assert_int_equal(chain_size(chain), 1024);
	assert_ok(chain_close(chain));
	store_close(&store);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(second_writer_gets_an_error_with_the_holders_name),
		TEST(parent_in_use_is_not_opened_for_writing),
		TEST(open_without_a_lock_works_while_a_writer_has_it_open),
		TEST(zeros_over_parent_data_read_as_zeros),
		TEST(punched_range_in_a_child_hides_parent_data),
		TEST(punched_block_is_freed),
		TEST(map_returns_the_image_that_stores_a_range),
		TEST(map_finds_holes_in_allocated_blocks),
		TEST(chain_of_64_parents_reads_data_of_every_level),
		TEST(raw_file_is_opened_only_with_the_raw_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
