/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copy-up: for clients that sync after every write, and for a rebase. */
#include "unit/pairs.h"

#include <string.h>

#include "base/bytes.h"

enum { UNIT = 64 << 10, SECTOR = 512 };

struct disk {
	struct store store;
	struct chain *chain;
	struct model model;
	const char *dir, *name;
};

static void disk_setup(struct disk *d, const char *dir, const char *e,
		       uint64_t block_size)
{
	store_open(&d->store, dir);
	d->dir = dir;
	make_pair(dir, &d->store, e);
	d->name = named("child", e);
	if (block_size) {
		d->name = named("other", e);
		disk_create_child(dir, d->name, named("base", e),
				  e[3] ? "./base.vhdx" : "./base.vhd",
				  block_size);
	}
	d->chain = disk_open(&d->store, d->name, CHAIN_WRITABLE);
	model_init(&d->model, chain_size(d->chain));
	assert_ok(chain_read(d->chain, d->model.bytes, 0, d->model.size));
}

/* The disk equals the model after any copy-up. */
static void disk_teardown(struct disk *d)
{
	model_compare(&d->model, d->chain);
	assert_ok(chain_close(d->chain));
	disk_check(d->dir, d->name);
	d->chain = disk_open(&d->store, d->name, 0);
	model_compare(&d->model, d->chain);
	assert_ok(chain_close(d->chain));
	model_fini(&d->model);
	store_close(&d->store);
}

static void disk_write(struct disk *d, uint64_t off, size_t len)
{
	memset(d->model.bytes + off, 'w', len);
	assert_ok(chain_write(d->chain, d->model.bytes + off, off, len));
}

/* A write and a flush: the next write is a synced one. */
static void disk_sync_one(struct disk *d)
{
	disk_write(d, 0, SECTOR);
	assert_ok(chain_flush(d->chain));
}

/* The leaf stores all of [off, off + len). */
static void assert_stored(struct disk *d, uint64_t off, uint64_t len)
{
	struct chain_extent e;

	for (uint64_t end = off + len; off < end; off += e.len) {
		assert_ok(chain_map(d->chain, off, end - off, &e));
		assert_int_equal(e.depth, 0);
	}
}

/* The leaf stores nothing of [off, off + len). */
static void assert_not_stored(struct disk *d, uint64_t off, uint64_t len)
{
	struct chain_extent e;

	for (uint64_t end = off + len; off < end; off += e.len) {
		assert_ok(chain_map(d->chain, off, end - off, &e));
		assert_int_not_equal(e.depth, 0);
	}
}

static void synced_first_write_copies_its_64_kib_up(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		disk_setup(&d, *state, e, 0);
		disk_sync_one(&d);
		/* A part of a sector; the parent has 'b' at M. */
		disk_write(&d, M + 4096 + 100, 100);
		assert_stored(&d, M, UNIT);
		assert_not_stored(&d, M + UNIT, M - UNIT);
		assert_not_stored(&d, UNIT, M - UNIT);
		disk_teardown(&d);
	}
}

static void copyup_stops_after_two_unsynced_writes(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		disk_setup(&d, *state, e, 0);
		/* The first write after the open is not known to be synced. */
		disk_write(&d, M, SECTOR);
		assert_not_stored(&d, M + SECTOR, M - SECTOR);
		/* The second write after a flush, and the first write after a
		 * flush that followed two writes. */
		disk_write(&d, 0, SECTOR);
		assert_ok(chain_flush(d.chain));
		disk_write(&d, M + UNIT, SECTOR);
		assert_not_stored(&d, M + UNIT + SECTOR, M - UNIT - SECTOR);
		assert_ok(chain_flush(d.chain));
		disk_write(&d, 0, SECTOR);
		disk_write(&d, 2 * M, SECTOR);
		assert_not_stored(&d, 2 * M + SECTOR, UNIT);
		/* A flush without a write before it has no effect on
		 * copy-up. */
		assert_ok(chain_flush(d.chain));
		assert_ok(chain_flush(d.chain));
		disk_write(&d, 3 * M, SECTOR);
		assert_not_stored(&d, 3 * M + SECTOR, UNIT);
		disk_teardown(&d);
	}
}

static void write_across_a_unit_boundary_copies_nothing(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		disk_setup(&d, *state, e, 0);
		disk_sync_one(&d);
		disk_write(&d, M + UNIT - SECTOR, 2 * SECTOR);
		assert_not_stored(&d, M, UNIT - SECTOR);
		assert_not_stored(&d, M + UNIT + SECTOR, UNIT);
		disk_teardown(&d);
	}
}

static void write_in_place_copies_nothing(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		disk_setup(&d, *state, e, 0);
		disk_sync_one(&d);
		disk_sync_one(&d);
		assert_not_stored(&d, SECTOR, UNIT - SECTOR);
		disk_teardown(&d);
	}
}

static void copyup_keeps_zeros_that_hide_parent_data(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		struct disk d;

		disk_setup(&d, *state, e, 0);
		assert_ok(chain_zero(d.chain, M, SECTOR, true));
		memset(d.model.bytes + M, 0, SECTOR);
		assert_ok(chain_flush(d.chain));
		disk_sync_one(&d);
		disk_write(&d, M + 4096, SECTOR);
		assert_stored(&d, M, UNIT);
		disk_teardown(&d);
	}
}

/* A VHD may have blocks of 4 KiB; those of a VHDX exceed 64 KiB. */
static void copyup_allocates_no_other_block(void **state)
{
	struct disk d;

	disk_setup(&d, *state, "vhd", 4096);
	disk_sync_one(&d);
	disk_write(&d, M + 8192 + SECTOR, SECTOR);
	assert_stored(&d, M + 8192, 4096);
	assert_not_stored(&d, M, 8192);
	assert_not_stored(&d, M + 3 * 4096, UNIT - 3 * 4096);
	disk_teardown(&d);
}

/* A write between the read and the copy is kept: also of a part of what was
 * read, and across steps of the copy. */
static void
write_after_the_read_is_kept_by_a_copy_of_what_was_shown(void **state)
{
	FOR_EACH_FORMAT(e)
	{
		const uint64_t start = M - UNIT;
		static uint8_t shown[2 * UNIT];
		struct disk d;

		disk_setup(&d, *state, e, 0);
		assert_ok(chain_read(d.chain, shown, start, sizeof shown));
		disk_write(&d, start + 8 * SECTOR, SECTOR);
		disk_write(&d, M + SECTOR, 2 * SECTOR);
		assert_ok(
			chain_store_shown(d.chain, shown, start, sizeof shown));
		assert_stored(&d, M, UNIT);
		model_compare(&d.model, d.chain);
		assert_ok(chain_flush(d.chain));
		disk_teardown(&d);
	}
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(synced_first_write_copies_its_64_kib_up),
		TEST(copyup_stops_after_two_unsynced_writes),
		TEST(write_across_a_unit_boundary_copies_nothing),
		TEST(write_in_place_copies_nothing),
		TEST(copyup_keeps_zeros_that_hide_parent_data),
		TEST(copyup_allocates_no_other_block),
		TEST(write_after_the_read_is_kept_by_a_copy_of_what_was_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
