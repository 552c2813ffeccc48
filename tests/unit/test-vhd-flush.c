/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What writing and flushing a VHD costs in writes and syncs, and when its id
 * changes. */
#include "unit/unit.h"

#include "base/bytes.h"
#include "unit/vhd-model.h"
#include "unit/vhd-tool.h"

static unsigned syncs_of_flush(struct beside *m)
{
	m->file->n_sync = 0;
	assert_ok(image_flush(m->img));
	return m->file->n_sync;
}

static void a_flush_syncs_no_more_than_it_must(void **state)
{
	for (int type = IMAGE_FIXED; type <= IMAGE_DIFFERENCING; type++) {
		struct beside m = { .file = *state };
		unsigned tables = type == IMAGE_FIXED ? 1 : 2;

		mem_file_resize(m.file, 0);
		beside_init(&m, type, MIB(9), 0);
		/* What a process that died left in the page cache. */
		assert_int_equal(syncs_of_flush(&m), 1);
		assert_int_equal(syncs_of_flush(&m), 0);
		beside_write(&m, 0, 4096, 1);
		assert_int_equal(syncs_of_flush(&m), tables);
		beside_write(&m, 0, 4096, 2);
		assert_int_equal(syncs_of_flush(&m), 1);
		assert_int_equal(syncs_of_flush(&m), 0);
		/* A new sector of an old block: a bit in a child alone. */
		beside_write(&m, 8192, 4096, 2);
		assert_int_equal(syncs_of_flush(&m),
				 type == IMAGE_DIFFERENCING ? 2 : 1);
		beside_zero(&m, 0, MIB(2), ZERO_PUNCH);
		assert_int_equal(syncs_of_flush(&m), tables);
		beside_reopen(&m);
		beside_fini(&m);
	}
}

/* A table that a dead process wrote may not be the one on the disk: the syncs
 * of the new id make it so. */
static void room_that_was_there_at_the_open_costs_no_further_sync(void **state)
{
	struct beside m = { .file = *state };

	beside_init(&m, IMAGE_DYNAMIC, MIB(9), 0);
	/* The new id takes two. */
	m.file->n_sync = 0;
	beside_write(&m, 0, MIB(6), 1);
	assert_int_equal(m.file->n_sync, 2);
	beside_zero(&m, MIB(2), MIB(2), ZERO_PUNCH);
	beside_reopen(&m);
	m.file->n_sync = 0;
	beside_write(&m, 0, 512, 2);
	assert_int_equal(m.file->n_sync, 2);
	beside_write(&m, MIB(8), 512, 2);
	beside_write(&m, MIB(2), 512, 2);
	assert_int_equal(m.file->n_sync, 2);
	beside_reopen(&m);
	beside_fini(&m);
}

static unsigned writes_of(struct beside *m, uint64_t off, uint64_t len)
{
	m->file->n_pwrite = 0;
	beside_write(m, off, len, 3);
	return m->file->n_pwrite;
}

/* io_write_chunked() says why.  Blocks begin one sector after a multiple of a
 * step. */
static void
what_is_new_is_written_in_steps_and_what_is_not_at_once(void **state)
{
	enum { LEN = 256 << 10 };
	struct beside m = { .file = *state };

	beside_init(&m, IMAGE_DIFFERENCING, MIB(4), 0);
	/* With the block, and two footers of a new id. */
	assert_in_range(writes_of(&m, 0, LEN), 7, 10);
	/* Beside others, whose bits wait already. */
	assert_int_equal(writes_of(&m, LEN, LEN), 5);
	/* The first whose bits change since the flush. */
	assert_ok(image_flush(m.img));
	assert_in_range(writes_of(&m, 2 * LEN, LEN), 5, 6);
	assert_int_equal(writes_of(&m, 0, 3 * LEN), 1);
	beside_reopen(&m);
	beside_fini(&m);
}

static struct guid id_of(const struct mem_file *file, uint64_t off)
{
	uint8_t footer[FOOTER_SIZE];

	mem_file_peek(file, footer, sizeof footer, off);
	return guid_from_be(footer + FOOTER_ID);
}

static void expect_id(const struct beside *m, const struct guid *id, bool same)
{
	struct guid now = id_of(m->file, m->file->size - FOOTER_SIZE);

	assert_int_equal(guid_equal(&now, id), same);
	assert_true(guid_equal(&now, &m->img->id));
}

static void the_first_change_after_an_open_gives_a_new_id(void **state)
{
	static const enum image_type types[] = { IMAGE_FIXED, IMAGE_DYNAMIC,
						 IMAGE_DIFFERENCING };

	for (int i = 0; i < 3; i++) {
		struct beside m = { .file = *state };
		struct guid id, copy;

		beside_init(&m, types[i], MIB(4), 0);
		id = m.img->id;
		/* Nothing is changed. */
		assert_ok(image_flush(m.img));
		beside_reopen(&m);
		expect_id(&m, &id, true);
		/* One new id for all changes, the first made by a zeroing. */
		beside_zero(&m, 0, 4096, 0);
		expect_id(&m, &id, false);
		id = m.img->id;
		beside_write(&m, MIB(2), 512, 1);
		assert_ok(image_flush(m.img));
		beside_write(&m, 512, 4096, 2);
		expect_id(&m, &id, true);
		copy = id_of(m.file, 0);
		assert_int_equal(guid_equal(&copy, &id),
				 types[i] != IMAGE_FIXED);
		/* Between, others may have made a child of it. */
		assert_ok(image_end_writes(m.img));
		beside_write(&m, 512, 512, 3);
		expect_id(&m, &id, false);
		id = m.img->id;
		beside_reopen(&m);
		expect_id(&m, &id, true);
		beside_fini(&m);
	}
}

#define IN_MEMORY(test) \
	cmocka_unit_test_setup_teardown(test, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_MEMORY(the_first_change_after_an_open_gives_a_new_id),
		IN_MEMORY(a_flush_syncs_no_more_than_it_must),
		IN_MEMORY(
			what_is_new_is_written_in_steps_and_what_is_not_at_once),
		IN_MEMORY(
			room_that_was_there_at_the_open_costs_no_further_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
