/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much space a change of a disk needs. */
#include "unit/pairs.h"

#include <string.h>

#include "chain/space-need.h"

enum { PAGE = 4096 };

struct disk {
	struct store store;
	struct chain *chain;
};

static void open_leaf(struct disk *d, const char *dir, const char *stem,
		      const char *e)
{
	store_open(&d->store, dir);
	make_pair(dir, &d->store, e);
	d->chain = disk_open(&d->store, named(stem, e), CHAIN_WRITABLE);
}

static void close_leaf(struct disk *d)
{
	assert_ok(chain_close(d->chain));
	store_close(&d->store);
}

static void write_page(struct disk *d, uint64_t off)
{
	char page[PAGE];

	memset(page, 'w', sizeof page);
	assert_ok(chain_write(d->chain, page, off, sizeof page));
}

/* The need of the file; what the file system needs is the same where no space
 * is shared. */
static uint64_t need_of(struct disk *d, enum space_change change, uint64_t off,
			uint64_t len)
{
	struct space_need need = { 1, 2 };

	assert_ok(chain_space_need(d->chain, off, len, change, &need));
	assert_int_equal(need.file, need.fs);
	return need.file;
}

static void write_of_stored_sectors_needs_none(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		open_leaf(&d, *state, "child", e);
		write_page(&d, 8 * PAGE);
		assert_int_equal(need_of(&d, SPACE_WRITE, 8 * PAGE, PAGE), 0);
		assert_int_equal(need_of(&d, SPACE_WRITE, 8 * PAGE + 100, 900),
				 0);
		close_leaf(&d);
	}
}

static void write_of_sectors_of_the_parent_needs_their_space(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		open_leaf(&d, *state, "child", e);
		write_page(&d, 8 * PAGE);
		/* In the same block, and in another. */
		assert_int_equal(need_of(&d, SPACE_WRITE, 8 * PAGE, 2 * PAGE),
				 PAGE);
		assert_int_equal(need_of(&d, SPACE_WRITE, 2 * M, PAGE), PAGE);
		close_leaf(&d);
	}
}

/* All sectors of a block are stored in an image without a parent. */
static void hole_in_a_block_needs_space(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		open_leaf(&d, *state, "base", e);
		write_page(&d, 0);
		assert_int_equal(need_of(&d, SPACE_WRITE, 0, PAGE), 0);
		assert_int_equal(need_of(&d, SPACE_WRITE, M / 2, 16 * PAGE),
				 16 * PAGE);
		assert_int_equal(need_of(&d, SPACE_ZERO, M / 2, 16 * PAGE),
				 16 * PAGE);
		close_leaf(&d);
	}
}

static void zeroing_what_reads_as_zeros_needs_none(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		open_leaf(&d, *state, "child", e);
		assert_int_equal(need_of(&d, SPACE_ZERO, 2 * M, 2 * M), 0);
		assert_int_equal(need_of(&d, SPACE_WRITE, 2 * M, 2 * M), 2 * M);
		close_leaf(&d);
	}
}

/* The parent has data in the first sector at 1 MiB. */
static void zeroing_over_parent_data_needs_tables(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		open_leaf(&d, *state, "child", e);
		assert_in_range(need_of(&d, SPACE_ZERO, M, M), 512, PAGE);
		close_leaf(&d);
	}
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(write_of_stored_sectors_needs_none),
		TEST(write_of_sectors_of_the_parent_needs_their_space),
		TEST(hole_in_a_block_needs_space),
		TEST(zeroing_what_reads_as_zeros_needs_none),
		TEST(zeroing_over_parent_data_needs_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
