/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check and repair of a VHD: each kind of damage is found, and repaired if that
 * needs no guess; a second check then finds nothing.
 */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

/* A dynamic image of 8 MiB with data in blocks 0 and 2. */
static void make_used(struct mem_file *file)
{
	_cleanup_free_ uint8_t *data = malloc(MIB(2));
	struct image *img;

	mem_file_resize(file, 0);
	vhd_make(file, IMAGE_DYNAMIC, MIB(8), 0);
	img = vhd_open_file(file, true);
	vhd_fill(data, MIB(2), 0, 1);
	assert_ok(image_write(img, data, 0, MIB(2)));
	assert_ok(image_write(img, data, MIB(4), MIB(2)));
	assert_ok(image_close(img));
	vhd_assert_clean(file);
}

/* Block 2 has its data; block 0 has its data, or reads as zeros. */
static void assert_data(struct mem_file *file, bool zero_is_there)
{
	_cleanup_free_ uint8_t *data = malloc(MIB(2)), *got = malloc(MIB(2));
	struct image *img = vhd_open_file(file, false);

	vhd_fill(data, MIB(2), 0, 1);
	vhd_read_disk(img, NULL, got, MIB(4), MIB(2));
	assert_memory_equal(got, data, MIB(2));
	vhd_read_disk(img, NULL, got, 0, MIB(2));
	if (zero_is_there)
		assert_memory_equal(got, data, MIB(2));
	else
		assert_true(bytes_are_zero(got, MIB(2)));
	assert_ok(image_close(img));
}

static void assert_text(const struct vhd_found *found, const char *text)
{
	if (!strstr(found->text, text))
		vhd_fail_test("expected \"%s\" among:\n%s", text, found->text);
}

/* Check has one finding, with this text; a repair removes it. */
static void assert_repaired(struct mem_file *file, const char *message)
{
	struct vhd_found found;

	mem_file_reset_counters(file);
	assert_ok(vhd_run_check(file, false, &found));
	assert_text(&found, message);
	if (found.n != 1)
		vhd_fail_test("expected one finding, got:\n%s", found.text);
	assert_int_equal(found.repaired, 0);
	assert_int_equal(file->n_pwrite + file->n_resize + file->n_punch, 0);
	assert_ok(vhd_run_check(file, true, &found));
	assert_text(&found, message);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.repaired, 1);
	vhd_assert_clean(file);
}

/* Check has a finding with this text; a repair does not change the file. */
static void assert_reported_only(struct mem_file *file, const char *message)
{
	struct vhd_found found;

	mem_file_reset_counters(file);
	assert_ok(vhd_run_check(file, true, &found));
	assert_text(&found, message);
	assert_int_equal(found.repaired, 0);
	assert_int_equal(file->n_pwrite + file->n_resize + file->n_punch, 0);
}

static void damaged_trailing_footer_is_repaired(void **state)
{
	struct mem_file *file = *state;
	uint64_t size;

	make_used(file);
	size = file->size;
	mem_file_poke(file, "xx", 2, size - 512 + 100);
	assert_repaired(file, "footer checksum");
	assert_int_equal(file->size, size);
	assert_data(file, true);
	mem_file_poke(file, "x", 1, size - 512);
	assert_repaired(file, "footer at");
	assert_data(file, true);
	mem_file_resize(file, size - 100);
	assert_repaired(file, "footer at");
	assert_int_equal(file->size, size);
	assert_data(file, true);
}

static void damaged_or_different_footer_copy_is_repaired(void **state)
{
	struct mem_file *file = *state;
	uint8_t footer[FOOTER_SIZE];

	make_used(file);
	mem_file_poke(file, "x", 1, 0);
	assert_repaired(file, "footer at 0");
	mem_file_peek(file, footer, sizeof footer, 0);
	footer[FOOTER_TIME] ^= 1;
	vhd_footer_seal(footer);
	mem_file_poke(file, footer, sizeof footer, 0);
	assert_repaired(file, "footer copy at 0: expected the same");
	assert_data(file, true);
}

/* The state after a crash between N2 and N3 of vhd-writable.c. */
static void copy_with_an_older_id_is_not_damage(void **state)
{
	struct mem_file *file = *state;
	uint8_t footer[FOOTER_SIZE], copy[FOOTER_SIZE];
	struct vhd_found found;

	make_used(file);
	mem_file_peek(file, footer, sizeof footer, 0);
	memcpy(copy, footer, sizeof copy);
	copy[FOOTER_ID] ^= 1;
	vhd_footer_seal(copy);
	mem_file_poke(file, copy, sizeof copy, 0);
	for (int repair = 0; repair < 2; repair++) {
		assert_ok(vhd_run_check(file, repair, &found));
		assert_int_equal(found.n, 0);
		assert_int_equal(found.check.dirty, !repair);
		assert_non_null(
			strstr(found.check.pending, "copy of its footer"));
	}
	mem_file_peek(file, copy, sizeof copy, 0);
	assert_memory_equal(copy, footer, sizeof copy);
	assert_data(file, true);
}

static void checksum_after_xenservers_hidden_flag_is_repaired(void **state)
{
	struct mem_file *file = *state;

	make_used(file);
	mem_file_poke(file, "\1", 1, FOOTER_HIDDEN);
	mem_file_poke(file, "\1", 1, file->size - 512 + FOOTER_HIDDEN);
	assert_ok(vhd_try_open(file, false));
	{
		struct vhd_found found;

		assert_ok(vhd_run_check(file, true, &found));
		assert_text(&found, "footer checksum");
		assert_int_equal(found.repaired, found.n);
	}
	vhd_assert_clean(file);
	assert_data(file, true);
}

static void checksum_of_a_fixed_image_is_repaired_if_the_rest_fits(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_FIXED, MIB(1), 0);
	mem_file_poke(file, "x", 1, MIB(1) + FOOTER_ID);
	assert_repaired(file, "footer checksum");
	/* Either the size or the checksum is wrong. */
	mem_file_poke(file, "\1", 1, MIB(1) + FOOTER_CURRENT_SIZE + 3);
	assert_reported_only(file, "footer checksum");
}

static void damaged_header_is_not_repaired(void **state)
{
	struct mem_file *file = *state;

	make_used(file);
	mem_file_poke(file, "x", 1, 512 + 900);
	assert_reported_only(file, "dynamic header checksum");
	make_used(file);
	mem_file_poke(file, "x", 1, 512);
	assert_reported_only(file, "dynamic header at 512");
}

static void invalid_entry_is_removed(void **state)
{
	static const uint32_t nowhere[] = { 0xfffffff0, 0, 1, 3, 1 << 20 };
	struct mem_file *file = *state;

	for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
		make_used(file);
		vhd_set_entry(file, 1, nowhere[i]);
		assert_repaired(file, "block allocation table at 1540");
		assert_int_equal(vhd_get_entry(file, 1), BAT_UNUSED);
		assert_data(file, true);
	}
}

static void overlapping_blocks_are_reported_only(void **state)
{
	struct mem_file *file = *state;

	make_used(file);
	vhd_set_entry(file, 3, vhd_get_entry(file, 2));
	assert_reported_only(file,
			     "found sector 4119, inside the block of entry 2");
	make_used(file);
	vhd_set_entry(file, 3, vhd_get_entry(file, 0) + 8);
	assert_reported_only(file, "block allocation table at 15");
}

static void block_over_the_footer_is_reported_only(void **state)
{
	struct mem_file *file = *state;
	struct vhd_found found;

	make_used(file);
	vhd_set_entry(file, 3, (file->size - 8192 + 3584) / 512);
	assert_ok(vhd_run_check(file, true, &found));
	assert_text(&found, "a block that ends before the footer");
	assert_int_equal(found.repaired, 0);
}

static void leaked_last_block_is_cut_off(void **state)
{
	struct mem_file *file = *state;
	struct vhd_found found;
	uint64_t size;

	make_used(file);
	size = file->size;
	vhd_set_entry(file, 2, BAT_UNUSED);
	assert_ok(vhd_run_check(file, false, &found));
	assert_int_equal(found.n, 1);
	assert_int_equal(found.leaks, 1);
	assert_in_range(found.check.leaked, MIB(2), MIB(2) + 8192);
	assert_repaired(file, "unused space");
	assert_int_equal(file->size, size - 4104 * 512);
}

static void leaked_block_in_the_middle_is_freed(void **state)
{
	struct mem_file *file = *state;
	size_t used;

	make_used(file);
	used = mem_file_used(file);
	vhd_set_entry(file, 0, BAT_UNUSED);
	assert_repaired(file, "unused space");
	assert_true(mem_file_used(file) <= used - 512);
	assert_data(file, false);
}

static void unfinished_append_is_undone(void **state)
{
	struct mem_file *file = *state;
	struct vhd_found found;
	_cleanup_free_ uint8_t *data = malloc(MIB(1));
	uint64_t size;

	/* The bitmap is over the old footer, half of the data is written, and
	 * the new footer is not. */
	make_used(file);
	size = file->size;
	memset(data, 0xee, MIB(1));
	mem_file_poke(file, data, MIB(1), size - 512);
	assert_ok(vhd_run_check(file, false, &found));
	assert_int_equal(found.leaks, 1);
	assert_int_equal(found.n, 1);
	assert_true(found.check.dirty);
	assert_string_equal(
		found.check.pending,
		"its footer is written when it is opened for writing");
	assert_ok(vhd_run_check(file, true, &found));
	assert_int_equal(found.repaired, 1);
	assert_false(found.check.dirty);
	assert_string_equal(found.check.pending, "its footer was written");
	assert_int_equal(file->size, size);
	vhd_assert_clean(file);
	assert_data(file, true);
}

/* Truncates the file to size: it is not opened, and a repair does not change
 * it. */
static void assert_truncated(struct mem_file *file, uint64_t size)
{
	mem_file_resize(file, size);
	assert_errno(vhd_try_open(file, false), -EBADMSG);
	assert_non_null(strstr(error_text(), "the file was truncated"));
	assert_reported_only(file, "the file was truncated");
	assert_int_equal(file->size, size);
}

static void file_that_lacks_a_block_is_truncated(void **state)
{
	struct mem_file *file = *state;
	uint64_t block, size;

	make_used(file);
	size = file->size;
	block = (uint64_t)vhd_get_entry(file, 2) * 512;
	assert_truncated(file, block + MIB(2));
	assert_truncated(file, block + MIB(1));
	assert_truncated(file, block);
	make_used(file);
	assert_int_equal(file->size, size);
}

static void last_block_truncated_beyond_the_disks_end_is_detected(void **state)
{
	struct mem_file *file = *state;
	uint8_t data[512] = "x";
	struct image *img;

	vhd_make(file, IMAGE_DYNAMIC, MIB(2) + 1024, 0);
	img = vhd_open_file(file, true);
	assert_ok(image_write(img, data, MIB(2), 512));
	assert_ok(image_close(img));
	assert_truncated(file, (uint64_t)vhd_get_entry(file, 1) * 512 + MIB(1));
}

static void file_that_lacks_only_its_footer_is_truncated(void **state)
{
	struct mem_file *file = *state;
	uint64_t size;

	make_used(file);
	size = file->size;
	/* With one byte cut off it is a valid footer of 511 bytes. */
	for (uint64_t cut = 2; cut <= 4096; cut += 89) {
		mem_file_resize(file, size - cut);
		assert_errno(vhd_try_open(file, false), -EBADMSG);
		assert_repaired(file, "the file was truncated");
		assert_int_equal(file->size, size);
		assert_data(file, true);
	}
}

static void child_without_blocks_and_footer_is_truncated(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_DIFFERENCING, MIB(8), 0);
	mem_file_resize(file, file->size - 512);
	assert_errno(vhd_try_open(file, false), -EBADMSG);
	assert_repaired(file, "the file was truncated");
}

static void garbage_in_the_tables_padding_is_repaired(void **state)
{
	struct mem_file *file = *state;

	make_used(file);
	mem_file_poke(file, "garbage", 7, 1536 + 4 * 4);
	assert_repaired(file, "table padding at 1552");
	assert_data(file, true);
}

static void file_that_is_not_an_image_is_reported(void **state)
{
	struct mem_file *file = *state;

	mem_file_poke(file, "conectix", 8, 0);
	mem_file_resize(file, MIB(1));
	assert_reported_only(file, "footer");
}

static void bad_locator_is_reported(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_DIFFERENCING, MIB(4), 0);
	vhd_set_header(file, HEADER_LOCATORS + LOCATOR_LENGTH, 4, 7);
	assert_reported_only(file, "parent locator length");
}

#define IN_MEMORY(f) \
	cmocka_unit_test_setup_teardown(f, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_MEMORY(damaged_trailing_footer_is_repaired),
		IN_MEMORY(damaged_or_different_footer_copy_is_repaired),
		IN_MEMORY(copy_with_an_older_id_is_not_damage),
		IN_MEMORY(checksum_after_xenservers_hidden_flag_is_repaired),
		IN_MEMORY(
			checksum_of_a_fixed_image_is_repaired_if_the_rest_fits),
		IN_MEMORY(damaged_header_is_not_repaired),
		IN_MEMORY(invalid_entry_is_removed),
		IN_MEMORY(overlapping_blocks_are_reported_only),
		IN_MEMORY(block_over_the_footer_is_reported_only),
		IN_MEMORY(leaked_last_block_is_cut_off),
		IN_MEMORY(leaked_block_in_the_middle_is_freed),
		IN_MEMORY(unfinished_append_is_undone),
		IN_MEMORY(file_that_lacks_a_block_is_truncated),
		IN_MEMORY(
			last_block_truncated_beyond_the_disks_end_is_detected),
		IN_MEMORY(file_that_lacks_only_its_footer_is_truncated),
		IN_MEMORY(child_without_blocks_and_footer_is_truncated),
		IN_MEMORY(garbage_in_the_tables_padding_is_repaired),
		IN_MEMORY(file_that_is_not_an_image_is_reported),
		IN_MEMORY(bad_locator_is_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
