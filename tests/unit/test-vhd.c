/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD images: create, open, footers, sizes, probe. */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static void geometry_equals_that_of_windows(void **state)
{
	(void)state;
	static const struct {
		uint64_t size;
		unsigned cylinders, heads, sectors;
	} values[] = {
		{ 4194304, 120, 4, 17 },       { 10485760, 301, 4, 17 },
		{ 41943040, 963, 5, 17 },      { GIB(1), 2080, 16, 63 },
		{ GIB(2), 4161, 16, 63 },      { 136365211648, 65278, 16, 255 },
		{ GIB(2040), 65535, 16, 255 },
	};

	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		assert_int_equal(vhd_geometry(values[i].size),
				 values[i].cylinders << 16 |
					 values[i].heads << 8 |
					 values[i].sectors);
}

static void disk_size_depends_on_the_creator(void **state)
{
	(void)state;
	static const struct {
		const char *creator;
		uint32_t chs;
		uint64_t size;
	} values[] = {
		{ "win ", 120 << 16 | 4 << 8 | 17, 4194304 },
		{ "vs  ", 120 << 16 | 4 << 8 | 17, 4194304 },
		{ "tap", 120 << 16 | 4 << 8 | 17, 4194304 },
		{ "qem2", 120 << 16 | 4 << 8 | 17, 4194304 },
		{ "vpc ", 120 << 16 | 4 << 8 | 17, 4177920 },
		{ "qemu", 120 << 16 | 4 << 8 | 17, 4177920 },
		{ "vpc ", 0, 4194304 },
		{ "qemu", 65535u << 16 | 16 << 8 | 255, 4194304 },
	};
	uint8_t footer[FOOTER_SIZE] = { 0 };

	put_be64(footer + FOOTER_CURRENT_SIZE, 4194304);
	for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
		memset(footer + FOOTER_CREATOR, 0, 4);
		memcpy(footer + FOOTER_CREATOR, values[i].creator,
		       strlen(values[i].creator));
		put_be32(footer + FOOTER_GEOMETRY, values[i].chs);
		assert_int_equal(vhd_footer_size(footer), values[i].size);
	}
}

static void new_image_of_every_type_and_block_size_opens(void **state)
{
	static const uint64_t blocks[] = { 512, 4096,   KIB(16), KIB(512),
					   0,   MIB(4), MIB(64), MIB(256) };
	struct mem_file *file = *state;

	for (int type = IMAGE_FIXED; type <= IMAGE_DIFFERENCING; type++) {
		for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
			uint64_t block = type == IMAGE_FIXED ? 0 : blocks[i];
			uint64_t size = MIB(9) + 512;
			struct image *img;

			mem_file_resize(file, 0);
			vhd_make(file, type, size, block);
			img = vhd_open_file(file, false);
			assert_int_equal(img->type, type);
			assert_int_equal(img->size, size);
			assert_int_equal(img->sector_size, 512);
			assert_int_equal(img->physical_sector_size, 512);
			assert_int_equal(img->block_size, type == IMAGE_FIXED
								  ? 0
							  : block ? block
								  : MIB(2));
			assert_false(guid_is_null(&img->id));
			assert_false(img->dirty);
			assert_ok(image_close(img));
			vhd_assert_clean(file);
		}
	}
}

static void new_fixed_image_is_sparse_and_maps_as_stored(void **state)
{
	struct mem_file *file = *state;
	struct extent e = { 0 };
	struct image *img;

	vhd_make(file, IMAGE_FIXED, MIB(100), 0);
	assert_int_equal(file->size, MIB(100) + 512);
	assert_int_equal(mem_file_used(file), 1);
	img = vhd_open_file(file, false);
	assert_ok(image_map(img, 0, MIB(100), &e));
	assert_int_equal(e.kind, EXTENT_STORED);
	assert_int_equal(e.len, MIB(100));
	assert_ok(image_close(img));
}

static void footer_fields_equal_those_of_windows_10(void **state)
{
	struct mem_file *file = *state;
	uint8_t f[FOOTER_SIZE], copy[FOOTER_SIZE];

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	mem_file_peek(file, f, sizeof f, file->size - FOOTER_SIZE);
	mem_file_peek(file, copy, sizeof copy, 0);
	assert_memory_equal(f, copy, sizeof f);
	assert_int_equal(file->size % 4096, 0);
	assert_int_equal(get_be32(f + FOOTER_FEATURES), 2);
	assert_int_equal(get_be32(f + FOOTER_VERSION), 0x10000);
	assert_int_equal(get_be64(f + FOOTER_DATA_OFFSET), 512);
	assert_memory_equal(f + FOOTER_CREATOR, "win \0\x0a\0\0Wi2k", 12);
	assert_int_equal(get_be64(f + FOOTER_ORIGINAL_SIZE), MIB(4));
	assert_int_equal(get_be64(f + FOOTER_CURRENT_SIZE), MIB(4));
	assert_int_equal(get_be32(f + FOOTER_GEOMETRY),
			 120 << 16 | 4 << 8 | 17);
	assert_true(bytes_are_zero(f + FOOTER_SAVED_STATE,
				   FOOTER_SIZE - FOOTER_SAVED_STATE));
	mem_file_resize(file, 0);
	vhd_make(file, IMAGE_FIXED, MIB(4), 0);
	mem_file_peek(file, f, sizeof f, MIB(4));
	assert_int_equal(get_be64(f + FOOTER_DATA_OFFSET), UINT64_MAX);
}

static void layout_of_a_child_equals_that_of_windows_10(void **state)
{
	struct mem_file *file = *state;
	uint8_t h[HEADER_SIZE], text[64];
	struct vhd_locator ku, ru;

	vhd_make(file, IMAGE_DIFFERENCING, MIB(4), 0);
	mem_file_peek(file, h, sizeof h, 512);
	assert_int_equal(get_be64(h + HEADER_TABLE_OFFSET), 0x2000);
	ku = vhd_locator_get(h, 0);
	ru = vhd_locator_get(h, 1);
	assert_int_equal(ku.code, LOCATOR_W2KU);
	assert_int_equal(ku.off, 0x1000);
	assert_int_equal(ku.space, 4096);
	assert_int_equal(ru.code, LOCATOR_W2RU);
	assert_int_equal(ru.off, 0x3000);
	assert_int_equal(ru.space, 65536);
	assert_int_equal(ru.len, 24);
	mem_file_peek(file, text, ru.len, ru.off);
	assert_memory_equal(text, ".\0\\\0p\0a\0r\0e\0n\0t\0.\0v\0h\0d\0", 24);
	assert_memory_equal(h + HEADER_PARENT_NAME,
			    "\0C\0:\0\\\0s\0t\0o\0r\0e\0\\", 18);
	assert_int_equal(get_be32(h + HEADER_PARENT_TIME), 1000);
	/* The first block will begin where the footer of an empty child is. */
	assert_int_equal(file->size, 0x14000);
}

static void large_table_moves_the_relative_locator(void **state)
{
	struct mem_file *file = *state;
	uint8_t h[HEADER_SIZE];
	struct image *img;

	vhd_make(file, IMAGE_DIFFERENCING, GIB(40), 0);
	mem_file_peek(file, h, sizeof h, 512);
	assert_int_equal(vhd_locator_get(h, 1).off, 0x2000 + 20480 * 4);
	img = vhd_open_file(file, false);
	assert_ok(image_close(img));
	vhd_assert_clean(file);
}

static void invalid_parameters_are_refused(void **state)
{
	(void)state;
	static const struct {
		struct image_params params;
		int code;
		const char *message;
	} bad[] = {
		{ { .type = IMAGE_FIXED, .size = 0 }, -EINVAL, "512 bytes" },
		{ { .type = IMAGE_FIXED, .size = 513 }, -EINVAL, "512 bytes" },
		{ { .type = IMAGE_FIXED, .size = GIB(2040) + 512 },
		  -EFBIG,
		  "2040 GiB" },
		{ { .type = IMAGE_DYNAMIC, .size = 512, .block_size = 256 },
		  -EINVAL,
		  "power of two" },
		{ { .type = IMAGE_DYNAMIC, .size = 512, .block_size = 3 << 20 },
		  -EINVAL,
		  "power of two" },
		{ { .type = IMAGE_DYNAMIC, .size = 512, .block_size = 1 << 29 },
		  -EINVAL,
		  "256 MiB" },
		{ { .type = IMAGE_DYNAMIC,
		    .size = GIB(2040),
		    .block_size = 512 },
		  -EINVAL,
		  "too small" },
		{ { .type = IMAGE_FIXED, .size = 512, .block_size = 1 << 21 },
		  -EINVAL,
		  "no blocks" },
		{ { .type = IMAGE_FIXED, .size = 4096, .sector_size = 4096 },
		  -EINVAL,
		  "512 bytes" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct image_params params = bad[i].params;

		assert_errno(image_params_complete(&vhd_ops, &params),
			     bad[i].code);
		assert_non_null(strstr(error_text(), bad[i].message));
	}
}

static void valid_trailing_footer_is_used_if_the_copy_differs(void **state)
{
	struct mem_file *file = *state;
	struct image *img;
	uint8_t f[FOOTER_SIZE];

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	mem_file_peek(file, f, sizeof f, 0);
	f[FOOTER_ID] ^= 0xff;
	vhd_footer_seal(f);
	mem_file_poke(file, f, sizeof f, file->size - FOOTER_SIZE);
	img = vhd_open_file(file, false);
	assert_int_equal(img->id.b[0], f[FOOTER_ID]);
	assert_false(img->dirty);
	assert_ok(image_close(img));
}

static void footer_copy_is_used_without_a_trailing_footer(void **state)
{
	struct mem_file *file = *state;
	struct image *img;

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	mem_file_poke(file, "garbage!", 8, file->size - FOOTER_SIZE);
	img = vhd_open_file(file, false);
	assert_true(img->dirty);
	assert_int_equal(img->size, MIB(4));
	assert_ok(image_close(img));
	/* An unfinished append, of any length. */
	mem_file_resize(file, 8192 + 77);
	img = vhd_open_file(file, false);
	assert_true(img->dirty);
	assert_ok(image_close(img));
}

static void trailing_footer_is_used_without_a_copy(void **state)
{
	struct mem_file *file = *state;

	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	mem_file_poke(file, "garbage!", 8, 0);
	assert_ok(vhd_try_open(file, false));
}

static void footer_of_511_bytes_is_accepted(void **state)
{
	struct mem_file *file = *state;
	struct image *img;

	vhd_make(file, IMAGE_FIXED, MIB(1), 0);
	mem_file_resize(file, MIB(1) + 511);
	img = vhd_open_file(file, true);
	assert_int_equal(img->size, MIB(1));
	assert_false(img->dirty);
	assert_ok(image_close(img));
	vhd_assert_clean(file);
}

static void dynamic_vhd_inside_a_fixed_disk_is_data(void **state)
{
	struct mem_file *file = *state;
	uint8_t inner[8192];
	struct image *img;

	vhd_make(file, IMAGE_DYNAMIC, GIB(1), 0);
	mem_file_peek(file, inner, sizeof inner, 0);
	mem_file_resize(file, 0);
	vhd_make(file, IMAGE_FIXED, MIB(1), 0);
	mem_file_poke(file, inner, sizeof inner, 0);
	img = vhd_open_file(file, false);
	assert_int_equal(img->type, IMAGE_FIXED);
	assert_int_equal(img->size, MIB(1));
	assert_ok(image_close(img));
	/* Nor is its footer used if the outer one is damaged. */
	mem_file_poke(file, "x", 1, MIB(1) + FOOTER_ID);
	assert_errno(vhd_try_open(file, false), -EBADMSG);
	assert_non_null(strstr(error_text(), "footer checksum"));
}

static void probe_accepts_vhd_only(void **state)
{
	struct mem_file *file = *state;
	struct io *io;

	assert_ok(io_mem_open(file, "x", true, &io));
	assert_int_equal(vhd_ops.probe(io), 0);
	assert_ok(io_write(io, "vhdxfile", 8, 0));
	assert_ok(io_resize(io, MIB(4)));
	assert_int_equal(vhd_ops.probe(io), 0);
	assert_ok(io_write(io, "conectix", 8, MIB(4) - 512));
	assert_int_equal(vhd_ops.probe(io), 1);
	assert_ok(io_resize(io, MIB(4) - 1));
	assert_int_equal(vhd_ops.probe(io), 1);
	assert_ok(io_resize(io, MIB(4) - 2));
	assert_int_equal(vhd_ops.probe(io), 0);
	assert_ok(io_write(io, "conectix", 8, 0));
	assert_int_equal(vhd_ops.probe(io), 1);
	io_close(io);
}

static void raw_disk_is_converted_in_place(void **state)
{
	struct mem_file *file = *state;
	struct image *img;
	struct io *io;
	char data[4] = "";

	mem_file_poke(file, "boot", 4, 1000);
	assert_ok(io_mem_open(file, "disk.raw", true, &io));
	assert_ok(vhd_ops.convert_in_place(io));
	assert_errno(vhd_ops.convert_in_place(io), -EINVAL);
	assert_non_null(strstr(error_text(), "already"));
	io_close(io);
	img = vhd_open_file(file, false);
	assert_int_equal(img->type, IMAGE_FIXED);
	assert_int_equal(img->size, 1024);
	assert_ok(io_read(img->io, data, 4, 1000));
	assert_memory_equal(data, "boot", 4);
	assert_ok(image_close(img));
	vhd_assert_clean(file);
}

/* An open reads footer, header and locators: the same number of reads for
 * 2040 GiB as for 4 MiB. */
static void open_does_not_read_the_table(void **state)
{
	struct mem_file *file = *state;
	unsigned small;

	vhd_make(file, IMAGE_DIFFERENCING, MIB(4), 0);
	mem_file_reset_counters(file);
	assert_ok(vhd_try_open(file, true));
	small = file->n_pread;
	mem_file_resize(file, 0);
	vhd_make(file, IMAGE_DIFFERENCING, GIB(2040), 0);
	mem_file_reset_counters(file);
	assert_ok(vhd_try_open(file, true));
	assert_int_equal(file->n_pread, small);
	assert_int_equal(file->n_pwrite, 0);
	assert_int_equal(file->n_sync, 0);
}

static void short_last_block_is_read_and_not_overwritten(void **state)
{
	struct mem_file *file = *state;
	uint8_t footer[FOOTER_SIZE], data[1024], back[1024];
	struct image *img;

	/* The disk has 1024 bytes of its last block, and so has the file. */
	vhd_make(file, IMAGE_DYNAMIC, MIB(2) + 1024, 0);
	mem_file_peek(file, footer, sizeof footer, 0);
	img = vhd_open_file(file, true);
	vhd_fill(data, sizeof data, 0, 1);
	assert_ok(image_write(img, data, MIB(2), 1024));
	assert_ok(image_close(img));
	mem_file_resize(file, (uint64_t)vhd_get_entry(file, 1) * 512 + 1536);
	mem_file_poke(file, footer, sizeof footer, file->size);
	img = vhd_open_file(file, true);
	vhd_read_disk(img, NULL, back, MIB(2), 1024);
	assert_memory_equal(back, data, sizeof data);
	/* A new block begins behind the end of the complete block. */
	assert_ok(image_write(img, data, 0, 1024));
	assert_ok(image_close(img));
	assert_true(vhd_get_entry(file, 0) >= vhd_get_entry(file, 1) + 4097);
	img = vhd_open_file(file, false);
	vhd_read_disk(img, NULL, back, MIB(2), 1024);
	assert_memory_equal(back, data, sizeof data);
	assert_ok(image_close(img));
	vhd_assert_clean(file);
}

static void unaligned_table_is_read_and_written(void **state)
{
	struct mem_file *file = *state;
	uint8_t data[4096], back[4096];
	struct image *img;

	/* Two tables that are not aligned to sectors; the second one is not
	 * aligned to entries, and so is read-only. */
	vhd_make(file, IMAGE_DYNAMIC, MIB(4), 0);
	vhd_set_header(file, HEADER_TABLE_OFFSET, 8, 0x700 + 4);
	img = vhd_open_file(file, true);
	vhd_fill(data, sizeof data, 0, 9);
	assert_ok(image_write(img, data, MIB(2), sizeof data));
	assert_ok(image_close(img));
	img = vhd_open_file(file, false);
	vhd_read_disk(img, NULL, back, MIB(2), sizeof back);
	assert_memory_equal(back, data, sizeof data);
	assert_ok(image_close(img));
	vhd_set_header(file, HEADER_TABLE_OFFSET, 8, 0x901);
	img = vhd_open_file(file, true);
	assert_errno(image_write(img, data, 0, 512), -EOPNOTSUPP);
	assert_non_null(strstr(error_text(), "multiple of 4"));
	assert_ok(image_close(img));
}

#define IN_MEMORY(f) \
	cmocka_unit_test_setup_teardown(f, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(geometry_equals_that_of_windows),
		cmocka_unit_test(disk_size_depends_on_the_creator),
		IN_MEMORY(new_image_of_every_type_and_block_size_opens),
		IN_MEMORY(new_fixed_image_is_sparse_and_maps_as_stored),
		IN_MEMORY(footer_fields_equal_those_of_windows_10),
		IN_MEMORY(layout_of_a_child_equals_that_of_windows_10),
		IN_MEMORY(large_table_moves_the_relative_locator),
		cmocka_unit_test(invalid_parameters_are_refused),
		IN_MEMORY(valid_trailing_footer_is_used_if_the_copy_differs),
		IN_MEMORY(footer_copy_is_used_without_a_trailing_footer),
		IN_MEMORY(trailing_footer_is_used_without_a_copy),
		IN_MEMORY(footer_of_511_bytes_is_accepted),
		IN_MEMORY(dynamic_vhd_inside_a_fixed_disk_is_data),
		IN_MEMORY(probe_accepts_vhd_only),
		IN_MEMORY(raw_disk_is_converted_in_place),
		IN_MEMORY(open_does_not_read_the_table),
		IN_MEMORY(short_last_block_is_read_and_not_overwritten),
		IN_MEMORY(unaligned_table_is_read_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
