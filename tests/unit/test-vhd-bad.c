/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Malformed VHD files: each is refused with an errno and a message that has the
 * structure and its offset. */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"

static void assert_message(const char *words_expected)
{
	if (!strstr(error_text(), words_expected))
		vhd_fail_test("expected a message with \"%s\", found \"%s\"",
			      words_expected, error_text());
	assert_non_null(strstr(error_text(), "test.vhd"));
}

#define NO_IMAGE "file at offset 0: expected a VHD or VHDX image"

/* The file does not open, and the open does not write. */
static void assert_refused(struct mem_file *file, int code, const char *message)
{
	mem_file_reset_counters(file);
	assert_errno(vhd_try_open(file, true), code);
	assert_message(message);
	assert_int_equal(file->n_pwrite + file->n_resize + file->n_punch, 0);
}

static void empty_and_short_files_are_refused(void **state)
{
	struct mem_file *file = *state;

	assert_refused(file, -EBADMSG, NO_IMAGE);
	mem_file_poke(file, "conectix", 8, 0);
	assert_refused(file, -EBADMSG, NO_IMAGE);
	mem_file_resize(file, 511);
	assert_refused(file, -EBADMSG, NO_IMAGE);
	mem_file_resize(file, 512);
	assert_refused(file, -EBADMSG, "footer checksum at offset 64");
}

static void file_with_two_bad_cookies_is_refused(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	mem_file_poke(file, "x", 1, 0);
	mem_file_poke(file, "x", 1, file->size - 512);
	assert_refused(file, -EBADMSG, NO_IMAGE);
}

static void file_with_two_bad_checksums_is_refused(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	mem_file_poke(file, "xx", 2, 100);
	mem_file_poke(file, "xx", 2, file->size - 512 + 100);
	assert_refused(file, -EBADMSG, "footer checksum at offset 7744");
}

/* One footer is enough to open; test-vhd-check.c tests the repair. */
static void one_valid_footer_of_two_is_enough(void **state)
{
	struct mem_file *file = *state;
	static const struct {
		unsigned off; /* cookie, checksum */
		bool trailing;
	} spoiled[] = {
		{ 0, true }, { 64, true }, { 0, false }, { 64, false }
	};

	for (size_t i = 0; i < 4; i++) {
		mem_file_resize(file, 0);
		vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
		mem_file_poke(file, "x", 1,
			      spoiled[i].off + (spoiled[i].trailing
							? file->size - 512
							: 0));
		assert_ok(vhd_try_open(file, false));
	}
}

static void damaged_footer_of_511_bytes_is_refused(void **state)
{
	struct mem_file *file = *state;

	/* A fixed image has no second footer. */
	vhd_make(file, IMAGE_FIXED, MIB(4), 0);
	mem_file_resize(file, MIB(4) + 511);
	assert_ok(vhd_try_open(file, false));
	mem_file_poke(file, "xx", 2, MIB(4) + 100);
	assert_refused(file, -EBADMSG, "footer");
}

static void header_inside_a_block_is_refused(void **state)
{
	struct mem_file *file = *state;
	uint8_t data[512] = "x";
	struct image *img;

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	img = vhd_open_file(file, true);
	assert_ok(image_write(img, data, 0, 512));
	assert_ok(image_close(img));
	vhd_set_footer(file, FOOTER_DATA_OFFSET, 8, 8192);
	assert_refused(file, -EBADMSG, "dynamic header at offset 8192");
}

static void damaged_footer_of_a_fixed_image_is_refused(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_FIXED, MIB(4), 0);
	mem_file_poke(file, "xx", 2, MIB(4) + 100);
	assert_refused(file, -EBADMSG, "footer checksum at offset 4194368");
	mem_file_poke(file, "x", 1, MIB(4));
	assert_refused(file, -EBADMSG, NO_IMAGE);
}

struct field {
	unsigned off, size;
	uint64_t value;
	int code;
	const char *message;
};

static void each_bad_field_of_the_footer_is_refused(void **state)
{
	struct mem_file *file = *state;
	static const struct field fields[] = {
		{ FOOTER_TYPE, 4, 0, -EBADMSG,
		  "footer disk type at offset 7740" },
		{ FOOTER_TYPE, 4, 1, -EBADMSG,
		  "footer disk type at offset 7740" },
		{ FOOTER_TYPE, 4, 5, -EBADMSG,
		  "footer disk type at offset 7740" },
		{ FOOTER_TYPE, 4, 6, -EBADMSG,
		  "footer disk type at offset 7740" },
		{ FOOTER_VERSION, 4, 0x20000, -EOPNOTSUPP,
		  "footer version at offset 7692: expected 1.0, found 2.0" },
		{ FOOTER_DATA_OFFSET, 8, 0, -EBADMSG,
		  "footer data offset at offset 16" },
		{ FOOTER_DATA_OFFSET, 8, 256, -EBADMSG,
		  "footer data offset at offset 16" },
		{ FOOTER_DATA_OFFSET, 8, 0x600, -EBADMSG,
		  "dynamic header at offset 1536" },
		{ FOOTER_DATA_OFFSET, 8, 8192, -EBADMSG,
		  "footer data offset at offset 16" },
		{ FOOTER_DATA_OFFSET, 8, UINT64_MAX, -EBADMSG,
		  "footer data offset at offset 16" },
		{ FOOTER_DATA_OFFSET, 8, UINT64_MAX - 600, -EBADMSG,
		  "footer data offset at offset 16" },
		{ FOOTER_CURRENT_SIZE, 8, 0, -EBADMSG,
		  "footer current size at offset 7728" },
		{ FOOTER_CURRENT_SIZE, 8, 1000, -EBADMSG,
		  "footer current size at offset 7728" },
		{ FOOTER_CURRENT_SIZE, 8, GIB(2040) + 512, -EBADMSG,
		  "footer current size at offset 7728" },
		{ FOOTER_CURRENT_SIZE, 8, UINT64_MAX, -EBADMSG,
		  "footer current size at offset 7728" },
		{ FOOTER_CURRENT_SIZE, 8, MIB(6), -EBADMSG,
		  "number of table entries at offset 540" },
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const struct field *f = &fields[i];

		mem_file_resize(file, 0);
		vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
		vhd_set_footer(file, f->off, f->size, f->value);
		assert_refused(file, f->code, f->message);
	}
}

static void fixed_image_larger_than_its_file_is_refused(void **state)
{
	struct mem_file *file = *state;

	/* For example the first part of a split image. */
	vhd_make(file, IMAGE_FIXED, MIB(4), 0);
	vhd_set_footer(file, FOOTER_CURRENT_SIZE, 8, MIB(4) + 512);
	assert_refused(file, -EBADMSG, "footer current size at offset 4194352");
}

static void bad_header_is_refused(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	mem_file_poke(file, "x", 1, 512);
	assert_refused(file, -EBADMSG, "dynamic header at offset 512");
	mem_file_poke(file, "c", 1, 512);
	mem_file_poke(file, "x", 1, 512 + 1000);
	assert_refused(file, -EBADMSG, "dynamic header checksum at offset 548");
}

static void each_bad_field_of_the_header_is_refused(void **state)
{
	struct mem_file *file = *state;
	static const struct field fields[] = {
		{ HEADER_VERSION, 4, 0x20000, -EOPNOTSUPP,
		  "dynamic header version at offset 536" },
		{ HEADER_BLOCK_SIZE, 4, 0, -EBADMSG,
		  "block size at offset 544" },
		{ HEADER_BLOCK_SIZE, 4, 3 << 20, -EBADMSG,
		  "block size at offset 544" },
		{ HEADER_BLOCK_SIZE, 4, 256, -EBADMSG,
		  "block size at offset 544" },
		{ HEADER_BLOCK_SIZE, 4, 1u << 31, -EBADMSG,
		  "block size at offset 544" },
		{ HEADER_BLOCK_SIZE, 4, 1 << 20, -EBADMSG,
		  "number of table entries at offset 540" },
		{ HEADER_ENTRIES, 4, 1, -EBADMSG,
		  "number of table entries at offset 540: expected 2 to" },
		{ HEADER_ENTRIES, 4, UINT32_MAX, -EBADMSG,
		  "number of table entries at offset 540" },
		{ HEADER_ENTRIES, 4, 4096, -EBADMSG,
		  "table offset at offset 528" },
		{ HEADER_TABLE_OFFSET, 8, 0, -EBADMSG,
		  "table offset at offset 528" },
		{ HEADER_TABLE_OFFSET, 8, 600, -EBADMSG,
		  "table offset at offset 528" },
		{ HEADER_TABLE_OFFSET, 8, 8192, -EBADMSG,
		  "table offset at offset 528" },
		{ HEADER_TABLE_OFFSET, 8, UINT64_MAX - 3, -EBADMSG,
		  "table offset at offset 528" },
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const struct field *f = &fields[i];

		mem_file_resize(file, 0);
		vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
		vhd_set_header(file, f->off, f->size, f->value);
		assert_refused(file, f->code, f->message);
	}
}

/* An entry with an invalid offset: reads of that block fail, reads of others do
 * not; all writes fail before anything is changed. */
static void each_bad_table_entry_fails_when_it_is_used(void **state)
{
	struct mem_file *file = *state;
	static const struct {
		uint32_t entry;
		const char *message;
	} entries[] = {
		{ 0, "structure at offset 0" },
		{ 1, "structure at offset 512" },
		{ 3, "structure at offset 1536" },
		{ 15 + 4104, "ends before the footer" }, /* the footer */
		{ 15 + 8, "ends before the footer" },
		{ 0xfffffffe, "ends before the footer" },
	};

	for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
		uint8_t data[512] = "x";
		struct extent e;
		struct image *img;

		mem_file_resize(file, 0);
		vhd_make(file, IMAGE_DYNAMIC, MIB(8), 0);
		img = vhd_open_file(file, true);
		assert_ok(image_write(img, data, 0, 512));
		assert_ok(image_close(img));
		vhd_set_entry(file, 2, entries[i].entry);
		img = vhd_open_file(file, true);
		assert_ok(image_map(img, 0, 512, &e));
		assert_int_equal(e.kind, EXTENT_STORED);
		assert_ok(image_map(img, MIB(2), 512, &e));
		assert_errno(image_map(img, MIB(4), 512, &e), -EBADMSG);
		assert_message("block allocation table at offset 1544");
		assert_message(entries[i].message);
		assert_errno(image_write(img, data, MIB(4), 512), -EBADMSG);
		/* Writes to other blocks are refused as well. */
		assert_errno(image_write(img, data, MIB(6), 512), -EBADMSG);
		assert_errno(image_write(img, data, 512, 512), -EBADMSG);
		assert_ok(image_close(img));
	}
}

static void image_with_overlapping_blocks_is_not_written(void **state)
{
	struct mem_file *file = *state;
	uint8_t data[512] = "x";
	struct image *img;

	vhd_make(file, IMAGE_DYNAMIC, MIB(8), 0);
	img = vhd_open_file(file, true);
	assert_ok(image_write(img, data, 0, 512));
	assert_ok(image_close(img));
	vhd_set_entry(file, 2, vhd_get_entry(file, 0));
	img = vhd_open_file(file, true);
	assert_errno(image_write(img, data, MIB(6), 512), -EBADMSG);
	assert_message(
		"block allocation table at offset 1536: expected blocks that do not");
	assert_ok(image_close(img));
}

/* A page of the table is read when it is first used; by then another program
 * may have changed it, and it differs from the set of used extents. */
static void entry_changed_behind_our_back_frees_no_space(void **state)
{
	struct mem_file *file = *state;
	uint8_t data[512] = "x";
	struct image *img;
	uint32_t entry;

	vhd_make(file, IMAGE_DYNAMIC, MIB(600), 0);
	img = vhd_open_file(file, true);
	for (unsigned block = 0; block < 3; block++)
		assert_ok(image_write(img, data, block * MIB(2), 512));
	assert_ok(image_flush(img));
	entry = vhd_get_entry(file, 2);
	assert_ok(image_zero(img, MIB(2), MIB(4), ZERO_PUNCH));
	assert_ok(image_flush(img));
	/* Blocks 1 and 2 are free; block 3 has the space of block 1. */
	assert_ok(image_write(img, data, MIB(6), 512));
	vhd_set_entry(file, 250, entry);
	assert_ok(image_zero(img, MIB(500), MIB(2), ZERO_PUNCH));
	assert_ok(image_flush(img));
	assert_errno(image_write(img, data, MIB(8), 512), -EBADMSG);
	assert_message("bytes of space in use");
	(void)image_close(img);
}

/* Slot 1 of a new child is its W2ru. */
enum { W2RU_SLOT = HEADER_LOCATORS + LOCATOR_SIZE };

static void each_bad_locator_is_refused(void **state)
{
	struct mem_file *file = *state;
	static const struct field fields[] = {
		{ W2RU_SLOT + LOCATOR_LENGTH, 4, 65537, -EBADMSG,
		  "parent locator length at offset 1120" },
		{ W2RU_SLOT + LOCATOR_LENGTH, 4, 25, -EBADMSG,
		  "parent locator length at offset 1120: expected an even number" },
		{ W2RU_SLOT + LOCATOR_SPACE, 4, 0, -EBADMSG,
		  "parent locator length at offset 1120" },
		{ W2RU_SLOT + LOCATOR_LENGTH, 4, UINT32_MAX, -EBADMSG,
		  "parent locator length at offset 1120" },
		{ W2RU_SLOT + LOCATOR_OFFSET, 8, MIB(1), -EBADMSG,
		  "parent locator offset at offset 1128" },
		{ W2RU_SLOT + LOCATOR_OFFSET, 8, UINT64_MAX - 3, -EBADMSG,
		  "parent locator offset at offset 1128" },
		{ W2RU_SLOT + LOCATOR_OFFSET, 8, 0, -EBADMSG,
		  "parent locator offset at offset 1128" },
	};

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		const struct field *f = &fields[i];

		mem_file_resize(file, 0);
		vhd_make(file, IMAGE_DIFFERENCING, MIB(4), 0);
		vhd_set_header(file, f->off, f->size, f->value);
		assert_refused(file, f->code, f->message);
		assert_message("parent locator");
	}
}

static void locator_longer_than_its_space_is_refused(void **state)
{
	struct mem_file *file = *state;

	/* A space of 512 is in bytes, one of 511 in sectors. */
	vhd_make(file, IMAGE_DIFFERENCING, MIB(4), 0);
	vhd_set_header(file, W2RU_SLOT + LOCATOR_SPACE, 4, 512);
	vhd_set_header(file, W2RU_SLOT + LOCATOR_LENGTH, 4, 514);
	assert_refused(
		file, -EBADMSG,
		"parent locator length at offset 1120: expected at most the 512 bytes reserved");
	vhd_set_header(file, W2RU_SLOT + LOCATOR_SPACE, 4, 2);
	assert_ok(vhd_try_open(file, true));
	/* A space of 700 has no valid unit, so it is no bound. */
	vhd_set_header(file, W2RU_SLOT + LOCATOR_SPACE, 4, 700);
	assert_ok(vhd_try_open(file, true));
}

static void locator_of_an_unknown_code_is_ignored(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_DIFFERENCING, MIB(4), 0);
	vhd_set_header(file, W2RU_SLOT + LOCATOR_CODE, 4, 0x58585858);
	vhd_set_header(file, W2RU_SLOT + LOCATOR_LENGTH, 4, UINT32_MAX);
	assert_ok(vhd_try_open(file, true));
}

static void raw_parent_and_own_id_as_parent_are_refused(void **state)
{
	struct mem_file *file = *state;
	uint8_t header[HEADER_SIZE], id[16];

	vhd_make(file, IMAGE_DIFFERENCING, MIB(4), 0);
	vhd_set_header(file, HEADER_PARENT_ID, 8, 0);
	vhd_set_header(file, HEADER_PARENT_ID + 8, 8, 0);
	assert_refused(file, -EOPNOTSUPP, "parent unique id at offset 552");
	assert_message("raw parent");
	/* The image's own id. */
	mem_file_peek(file, id, 16, FOOTER_ID);
	mem_file_peek(file, header, sizeof header, 512);
	memcpy(header + HEADER_PARENT_ID, id, 16);
	put_be32(header + HEADER_CHECKSUM,
		 vhd_checksum(header, HEADER_SIZE, HEADER_CHECKSUM));
	mem_file_poke(file, header, sizeof header, 512);
	assert_refused(file, -ELOOP, "parent unique id at offset 552");
	assert_message("image's own");
}

/* XenServer's batmap with an offset beyond the file. */
static void batmap_beyond_the_file_is_refused(void **state)
{
	struct mem_file *file = *state;
	uint8_t b[512] = "tdbatmap";

	vhd_make(file, IMAGE_DYNAMIC, MIB(8), 0);
	vhd_set_footer(file, FOOTER_CREATOR, 4, 0x74617000);
	put_be64(b + BATMAP_OFFSET, 0x100000);
	put_be32(b + BATMAP_SECTORS, 1);
	mem_file_poke(file, b, sizeof b, 0x800);
	assert_refused(file, -EBADMSG, "batmap header at offset 2056");
	/* In an image of another creator it is no batmap. */
	vhd_set_footer(file, FOOTER_CREATOR, 4, 0x77696e20);
	assert_ok(vhd_try_open(file, true));
}

/* A changed byte in any structure causes at most an error: no crash, and no
 * endless loop. */
static void random_changes_do_not_crash(void **state)
{
	struct mem_file *file = *state, copy;
	uint64_t seed = seed_from_environment();
	uint8_t data[512] = "x";
	struct image *img;

	vhd_make(file, IMAGE_DIFFERENCING, MIB(8), 0);
	img = vhd_open_file(file, true);
	assert_ok(image_write(img, data, MIB(2), 512));
	assert_ok(image_close(img));
	mem_file_init(&copy);
	for (int i = 0; i < 400; i++) {
		struct vhd_found found;
		uint8_t buf[4096], byte = random_next(&seed);
		uint64_t at = random_next(&seed) % 0x2200;
		struct io *io;

		mem_file_copy(&copy, file);
		mem_file_poke(&copy, &byte, 1, at);
		if (at >= 512 && at < 1536)
			vhd_set_header(&copy, 768 + 9, 1, byte);
		assert_ok(io_mem_open(&copy, "test.vhd", true, &io));
		if (image_open(io, NULL, &img) < 0) {
			io_close(io);
		} else {
			struct parent_ref ref = { 0 };
			struct extent e;

			for (uint64_t off = 0; off < img->size; off += e.len)
				if (image_map(img, off, img->size - off, &e))
					break;
			if (img->type == IMAGE_DIFFERENCING &&
			    image_parent(img, &ref) == 0)
				parent_ref_fini(&ref);
			(void)image_write(img, buf, img->size - 512, 512);
			(void)image_close(img);
		}
		(void)vhd_run_check(&copy, true, &found);
	}
	mem_file_fini(&copy);
}

#define IN_MEMORY(f) \
	cmocka_unit_test_setup_teardown(f, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_MEMORY(empty_and_short_files_are_refused),
		IN_MEMORY(file_with_two_bad_cookies_is_refused),
		IN_MEMORY(file_with_two_bad_checksums_is_refused),
		IN_MEMORY(one_valid_footer_of_two_is_enough),
		IN_MEMORY(damaged_footer_of_511_bytes_is_refused),
		IN_MEMORY(header_inside_a_block_is_refused),
		IN_MEMORY(damaged_footer_of_a_fixed_image_is_refused),
		IN_MEMORY(each_bad_field_of_the_footer_is_refused),
		IN_MEMORY(fixed_image_larger_than_its_file_is_refused),
		IN_MEMORY(bad_header_is_refused),
		IN_MEMORY(each_bad_field_of_the_header_is_refused),
		IN_MEMORY(each_bad_table_entry_fails_when_it_is_used),
		IN_MEMORY(image_with_overlapping_blocks_is_not_written),
		IN_MEMORY(entry_changed_behind_our_back_frees_no_space),
		IN_MEMORY(each_bad_locator_is_refused),
		IN_MEMORY(locator_longer_than_its_space_is_refused),
		IN_MEMORY(locator_of_an_unknown_code_is_ignored),
		IN_MEMORY(raw_parent_and_own_id_as_parent_are_refused),
		IN_MEMORY(batmap_beyond_the_file_is_refused),
		IN_MEMORY(random_changes_do_not_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
