/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Number of writes and syncs of VHD writes and flushes, and changes of the
 * id. */
#include "unit/unit.h"

#include "base/bytes.h"
#include "unit/vhd-model.h"
#include "unit/vhd-tool.h"

static unsigned syncs_of_flush(struct vhd_model *m)
{
	m->file->n_sync = 0;
	assert_ok(image_flush(m->img));
	return m->file->n_sync;
}

static void flush_syncs_only_as_often_as_needed(void **state)
{
	for (int type = IMAGE_FIXED; type <= IMAGE_DIFFERENCING; type++) {
		struct vhd_model m = { .file = *state };
		unsigned tables = type == IMAGE_FIXED ? 1 : 2;

		mem_file_resize(m.file, 0);
		vhd_model_init(&m, type, MIB(9), 0);
		/* For data that a crashed process left in the page cache. */
		assert_int_equal(syncs_of_flush(&m), 1);
		assert_int_equal(syncs_of_flush(&m), 0);
		vhd_model_write(&m, 0, 4096, 1);
		assert_int_equal(syncs_of_flush(&m), tables);
		vhd_model_write(&m, 0, 4096, 2);
		assert_int_equal(syncs_of_flush(&m), 1);
		assert_int_equal(syncs_of_flush(&m), 0);
		/* A new sector of an old block changes a bit in a child. */
		vhd_model_write(&m, 8192, 4096, 2);
		assert_int_equal(syncs_of_flush(&m),
				 type == IMAGE_DIFFERENCING ? 2 : 1);
		vhd_model_zero(&m, 0, MIB(2), ZERO_PUNCH);
		assert_int_equal(syncs_of_flush(&m), tables);
		vhd_model_reopen(&m);
		vhd_model_fini(&m);
	}
}

/* A table that a crashed process wrote may not be durable: the syncs of the new
 * id make it durable. */
static void reuse_of_space_free_at_open_needs_no_more_syncs(void **state)
{
	struct vhd_model m = { .file = *state };

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(9), 0);
	/* Two syncs for the new id. */
	m.file->n_sync = 0;
	vhd_model_write(&m, 0, MIB(6), 1);
	assert_int_equal(m.file->n_sync, 2);
	vhd_model_zero(&m, MIB(2), MIB(2), ZERO_PUNCH);
	vhd_model_reopen(&m);
	m.file->n_sync = 0;
	vhd_model_write(&m, 0, 512, 2);
	assert_int_equal(m.file->n_sync, 2);
	vhd_model_write(&m, MIB(8), 512, 2);
	vhd_model_write(&m, MIB(2), 512, 2);
	assert_int_equal(m.file->n_sync, 2);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static unsigned writes_of(struct vhd_model *m, uint64_t off, uint64_t len)
{
	m->file->n_pwrite = 0;
	vhd_model_write(m, off, len, 3);
	return m->file->n_pwrite;
}

/* See io_write_chunked.  Blocks begin one sector after a multiple of a chunk.
 */
static void first_writes_are_chunked_and_overwrites_are_not(void **state)
{
	enum { LEN = 256 << 10 };
	struct vhd_model m = { .file = *state };

	vhd_model_init(&m, IMAGE_DIFFERENCING, MIB(4), 0);
	/* With the writes of the block and of two footers. */
	assert_in_range(writes_of(&m, 0, LEN), 7, 10);
	/* The bitmap's page is dirty: under the shared lock. */
	assert_int_equal(writes_of(&m, LEN, LEN), 5);
	/* The bitmap's page is clean since the flush. */
	assert_ok(image_flush(m.img));
	assert_in_range(writes_of(&m, 2 * LEN, LEN), 5, 6);
	assert_int_equal(writes_of(&m, 0, 3 * LEN), 1);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static struct guid id_of(const struct mem_file *file, uint64_t off)
{
	uint8_t footer[FOOTER_SIZE];

	mem_file_peek(file, footer, sizeof footer, off);
	return guid_from_be(footer + FOOTER_ID);
}

static void expect_id(const struct vhd_model *m, const struct guid *id,
		      bool same)
{
	struct guid now = id_of(m->file, m->file->size - FOOTER_SIZE);

	assert_int_equal(guid_equal(&now, id), same);
	assert_true(guid_equal(&now, &m->img->id));
}

static void first_change_after_an_open_gives_a_new_id(void **state)
{
	static const enum image_type types[] = { IMAGE_FIXED, IMAGE_DYNAMIC,
						 IMAGE_DIFFERENCING };

	for (int i = 0; i < 3; i++) {
		struct vhd_model m = { .file = *state };
		struct guid id, copy;

		vhd_model_init(&m, types[i], MIB(4), 0);
		id = m.img->id;
		/* A flush without a change keeps the id. */
		assert_ok(image_flush(m.img));
		vhd_model_reopen(&m);
		expect_id(&m, &id, true);
		/* The first change, here zeros, sets a new id; later ones keep
		 * it. */
		vhd_model_zero(&m, 0, 4096, 0);
		expect_id(&m, &id, false);
		id = m.img->id;
		vhd_model_write(&m, MIB(2), 512, 1);
		assert_ok(image_flush(m.img));
		vhd_model_write(&m, 512, 4096, 2);
		expect_id(&m, &id, true);
		copy = id_of(m.file, 0);
		assert_int_equal(guid_equal(&copy, &id),
				 types[i] != IMAGE_FIXED);
		/* After end_writes a child may be made, so the next change sets
		 * a new id again. */
		assert_ok(image_end_writes(m.img));
		vhd_model_write(&m, 512, 512, 3);
		expect_id(&m, &id, false);
		id = m.img->id;
		vhd_model_reopen(&m);
		expect_id(&m, &id, true);
		vhd_model_fini(&m);
	}
}

#define IN_MEMORY(test) \
	cmocka_unit_test_setup_teardown(test, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_MEMORY(first_change_after_an_open_gives_a_new_id),
		IN_MEMORY(flush_syncs_only_as_often_as_needed),
		IN_MEMORY(first_writes_are_chunked_and_overwrites_are_not),
		IN_MEMORY(reuse_of_space_free_at_open_needs_no_more_syncs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
