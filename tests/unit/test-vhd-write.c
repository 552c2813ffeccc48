/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes to VHD images: random operations compared with a flat array, order of
 * the syncs, failing writes.
 */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

static void vhd_model_random(struct vhd_model *m, uint64_t *seed, unsigned n)
{
	while (n--) {
		uint64_t sectors = m->size / 512;
		uint64_t first = random_next(seed) % sectors;
		uint64_t count = 1 + random_upto(seed, sectors - first - 1);
		uint64_t off = first * 512, len = count * 512;

		switch (random_next(seed) % 16) {
		case 0:
			assert_ok(image_flush(m->img));
			break;
		case 1:
			vhd_model_reopen(m);
			break;
		case 2 ... 6:
			vhd_model_zero(m, off, len, random_next(seed) % 4);
			break;
		default:
			vhd_model_write(m, off, len, random_next(seed));
		}
	}
	vhd_model_reopen(m);
}

static void random_operations(struct vhd_model *m, enum image_type type,
			      unsigned n)
{
	static const uint64_t blocks[] = { 512,      4096,   KIB(16),
					   KIB(512), MIB(2), MIB(4) };
	uint64_t seed = seed_from_environment();

	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		uint64_t size = min_u64(MIB(6), 20 * blocks[i]) + 1536;

		if (m->file)
			mem_file_resize(m->file, 0);
		vhd_model_init(m, type, size,
			       type == IMAGE_FIXED ? 0 : blocks[i]);
		vhd_model_random(m, &seed, n);
		vhd_model_fini(m);
		m->parent = NULL;
		if (type == IMAGE_FIXED)
			return;
	}
}

static void fixed_image_equals_the_model(void **state)
{
	struct vhd_model m = { .file = *state };

	random_operations(&m, IMAGE_FIXED, 300);
}

static void dynamic_image_equals_the_model(void **state)
{
	struct vhd_model m = { .file = *state };

	random_operations(&m, IMAGE_DYNAMIC, 150);
}

static void child_equals_the_model(void **state)
{
	struct vhd_model m = { .file = *state };

	random_operations(&m, IMAGE_DIFFERENCING, 150);
}

static void images_in_files_equal_the_model(void **state)
{
	struct vhd_model m = { .path = scratch_path(state, "model.vhd") };

	random_operations(&m, IMAGE_FIXED, 60);
	random_operations(&m, IMAGE_DYNAMIC, 30);
	random_operations(&m, IMAGE_DIFFERENCING, 30);
}

static void blocks_are_allocated_as_by_windows(void **state)
{
	struct vhd_model m = { .file = *state };

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	vhd_model_write(&m, MIB(4), 512, 1);
	vhd_model_write(&m, 0, 512, 1);
	vhd_model_write(&m, MIB(6), 512, 1);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), 15);
	assert_int_equal(vhd_get_entry(m.file, 0), 15 + 4104);
	assert_int_equal(vhd_get_entry(m.file, 3), 15 + 2 * 4104);
	assert_int_equal(m.file->size, (15 + 3 * 4104 + 1) * 512);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static void bitmap_has_a_bit_for_each_stored_sector(void **state)
{
	struct vhd_model m = { .file = *state };
	uint8_t bits[512], expected[512] = { 0 };

	vhd_model_init(&m, IMAGE_DIFFERENCING, MIB(4), 0);
	vhd_model_write(&m, 512, 1024, 1);
	vhd_model_write(&m, 15 * 512, 9 * 512, 1);
	vhd_model_write(&m, MIB(2), MIB(2), 1);
	assert_ok(image_flush(m.img));
	expected[0] = 0x60;
	expected[1] = 0x01;
	expected[2] = 0xff;
	mem_file_peek(m.file, bits, 512, vhd_get_entry(m.file, 0) * 512u);
	assert_memory_equal(bits, expected, 512);
	mem_file_peek(m.file, bits, 512, vhd_get_entry(m.file, 1) * 512u);
	memset(expected, 0xff, 512);
	assert_memory_equal(bits, expected, 512);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static void bitmap_of_a_dynamic_block_has_all_bits_set(void **state)
{
	struct vhd_model m = { .file = *state };
	uint8_t bits[512], expected[512];

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(4), 0);
	vhd_model_write(&m, 512, 512, 1);
	assert_ok(image_flush(m.img));
	memset(expected, 0xff, 512);
	mem_file_peek(m.file, bits, 512, vhd_get_entry(m.file, 0) * 512u);
	assert_memory_equal(bits, expected, 512);
	vhd_model_fini(&m);
}

static void zeros_hide_parent_data(void **state)
{
	struct vhd_model m = { .file = *state };
	struct extent e = { 0 };

	vhd_model_init(&m, IMAGE_DIFFERENCING, MIB(8), 0);
	vhd_model_zero(&m, 0, MIB(2), ZERO_PUNCH);
	vhd_model_zero(&m, MIB(2) + 512, 1024, ZERO_PUNCH);
	vhd_model_compare(&m);
	/* The whole block is stored, and only its bitmap is allocated. */
	assert_ok(image_map(m.img, 0, MIB(2), &e));
	assert_int_equal(e.kind, EXTENT_STORED);
	assert_int_equal(e.len, MIB(2));
	assert_ok(image_flush(m.img));
	assert_true(mem_file_used(m.file) < 24);
	vhd_model_write(&m, 0, MIB(2), 3);
	vhd_model_zero(&m, 0, MIB(2), ZERO_PUNCH);
	vhd_model_reopen(&m);
	assert_true(mem_file_used(m.file) < 24);
	vhd_model_fini(&m);
}

static void zeros_over_zeros_allocate_nothing(void **state)
{
	struct vhd_model m = { .file = *state };

	vhd_model_init(&m, IMAGE_DIFFERENCING, MIB(8), 0);
	vhd_model_zero(&m, MIB(4), MIB(4), ZERO_BELOW);
	vhd_model_zero(&m, MIB(6) + 512, 512, ZERO_BELOW | ZERO_PUNCH);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), BAT_UNUSED);
	assert_int_equal(vhd_get_entry(m.file, 3), BAT_UNUSED);
	vhd_model_fini(&m);
}

static void punched_block_is_freed(void **state)
{
	for (int type = IMAGE_DYNAMIC; type <= IMAGE_DIFFERENCING; type++) {
		struct vhd_model m = { .file = *state };
		size_t before;

		mem_file_resize(m.file, 0);
		vhd_model_init(&m, type, MIB(8), 0);
		before = mem_file_used(m.file);
		vhd_model_write(&m, MIB(4), MIB(4), 1);
		assert_true(mem_file_used(m.file) > before + 1000);
		assert_ok(image_flush(m.img));
		vhd_model_zero(&m, MIB(4), MIB(4), ZERO_PUNCH | ZERO_BELOW);
		/* The release is not durable yet. */
		assert_true(mem_file_used(m.file) > before + 1000);
		vhd_model_reopen(&m);
		assert_true(mem_file_used(m.file) <= before + 4);
		assert_int_equal(vhd_get_entry(m.file, 2), BAT_UNUSED);
		vhd_model_fini(&m);
	}
}

static void zeroed_block_stays_allocated_without_punch(void **state)
{
	struct vhd_model m = { .file = *state };
	uint32_t entry;

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	vhd_model_write(&m, 0, MIB(2), 1);
	assert_ok(image_flush(m.img));
	entry = vhd_get_entry(m.file, 0);
	vhd_model_zero(&m, 0, MIB(2), ZERO_BELOW);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 0), entry);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static void freed_space_is_reused_only_after_a_flush(void **state)
{
	struct vhd_model m = { .file = *state };
	uint64_t size;

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	vhd_model_write(&m, 0, MIB(2), 1);
	assert_ok(image_flush(m.img));
	vhd_model_zero(&m, 0, MIB(2), ZERO_PUNCH);
	size = m.file->size;
	vhd_model_write(&m, MIB(2), 512, 2);
	assert_true(m.file->size > size);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 1), 15 + 4104);
	size = m.file->size;
	vhd_model_write(&m, MIB(4), 512, 3);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), 15);
	assert_int_equal(m.file->size, size);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static void reused_space_is_cleared(void **state)
{
	struct vhd_model m = { .file = *state };
	uint8_t junk[8192];

	/* A crash left a block to which no entry refers, and a footer. */
	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	vhd_model_write(&m, 0, MIB(2), 1);
	assert_ok(image_close(m.img));
	vhd_set_entry(m.file, 0, BAT_UNUSED);
	memset(m.disk, 0, MIB(2));
	memset(junk, 0xee, sizeof junk);
	mem_file_poke(m.file, junk, sizeof junk, 65536);
	vhd_model_open(&m);
	vhd_model_compare(&m);
	vhd_model_write(&m, MIB(4) + 512, 512, 2);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), 15);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static void lost_footer_is_restored_before_the_first_change(void **state)
{
	struct vhd_model m = { .file = *state };
	uint8_t footer[FOOTER_SIZE], copy[FOOTER_SIZE];
	uint64_t size;

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	vhd_model_write(&m, 0, MIB(2), 1);
	assert_ok(image_close(m.img));
	size = m.file->size;
	mem_file_peek(m.file, copy, sizeof copy, 0);
	/* An unfinished append of a block. */
	mem_file_resize(m.file, size + MIB(1) + 77);
	mem_file_poke(m.file, "junk", 4, size - FOOTER_SIZE);
	mem_file_poke(m.file, "junk", 4, size + 8192);
	vhd_model_open(&m);
	assert_true(m.img->dirty);
	vhd_model_compare(&m);
	vhd_model_write(&m, 512, 512, 2);
	assert_int_equal(m.file->size, size);
	mem_file_peek(m.file, footer, sizeof footer, size - FOOTER_SIZE);
	mem_file_peek(m.file, copy, sizeof copy, 0);
	assert_memory_equal(footer, copy, sizeof footer);
	vhd_model_reopen(&m);
	assert_false(m.img->dirty);
	vhd_model_fini(&m);
}

static void bad_footer_copy_is_restored_before_the_file_grows(void **state)
{
	struct vhd_model m = { .file = *state };
	uint8_t footer[FOOTER_SIZE], copy[FOOTER_SIZE];

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	assert_ok(image_close(m.img));
	mem_file_poke(m.file, "junk", 4, 100);
	vhd_model_open(&m);
	vhd_model_write(&m, 0, 512, 1);
	mem_file_peek(m.file, copy, sizeof copy, 0);
	mem_file_peek(m.file, footer, sizeof footer,
		      m.file->size - FOOTER_SIZE);
	assert_memory_equal(copy, footer, sizeof footer);
	vhd_model_reopen(&m);
	vhd_model_fini(&m);
}

static void write_fails_on_a_full_disk_and_works_again_later(void **state)
{
	for (int type = IMAGE_DYNAMIC; type <= IMAGE_DIFFERENCING; type++) {
		struct vhd_model m = { .file = *state };
		_cleanup_free_ uint8_t *data = malloc(MIB(2));
		uint64_t size;

		mem_file_resize(m.file, 0);
		vhd_model_init(&m, type, MIB(8), 0);
		vhd_model_write(&m, 0, MIB(2), 1);
		size = m.file->size;
		vhd_fill(data, MIB(2), 0, 9);
		for (size_t more = 0; more < 500; more += 7) {
			m.file->room = mem_file_used(m.file) + more;
			assert_errno(image_write(m.img, data, MIB(4), MIB(2)),
				     -ENOSPC);
			m.file->room = 0;
			assert_int_equal(m.file->size, size);
			vhd_model_compare(&m);
		}
		vhd_model_write(&m, MIB(4), MIB(2), 2);
		vhd_model_reopen(&m);
		vhd_model_fini(&m);
	}
}

static void file_does_not_grow_beyond_2_tib(void **state)
{
	(void)state;
	struct io io = { .name = (char *)"far.vhd" };
	uint64_t end = VHD_FILE_MAX - MIB(2);
	struct vhd v = { .bitmap_size = 512,
			 .block_len = MIB(2) + 512,
			 .footer_off = end,
			 .file_size = end,
			 .img.io = &io };
	struct vhd_allocation room;

	/* All space is used up to 2 MiB below the maximum. */
	assert_ok(extent_set_add(&v.space, 0, end));
	extent_set_sort(&v.space);
	assert_errno(vhd_space_alloc(&v, &room), -EFBIG);
	assert_non_null(strstr(error_text(), "2 TiB"));
	extent_set_fini(&v.space);
}

static void number_of_dirty_pages_is_bounded(void **state)
{
	struct mem_file *file = *state;
	struct image *img;
	uint8_t data[512] = "x";

	/* Blocks of 4 KiB, each with a page of bitmap. */
	vhd_make(file, IMAGE_DIFFERENCING, MIB(40), 4096);
	img = vhd_open_file(file, true);
	file->n_sync = 0;
	for (uint64_t i = 0; i < 9000; i++) {
		assert_ok(image_write(img, data, i * 4096, 512));
		assert_true(vhd_of(img)->bitmaps.n_dirty +
				    vhd_of(img)->bat.n_dirty <=
			    4097);
	}
	/* The bitmaps of new blocks were written at once. */
	assert_ok(image_flush(img));
	for (uint64_t i = 0; i < 9000; i++) {
		assert_ok(image_write(img, data, i * 4096 + 512, 512));
		assert_true(vhd_of(img)->bitmaps.n_dirty +
				    vhd_of(img)->bat.n_dirty <=
			    4097);
	}
	assert_true(file->n_sync >= 4);
	assert_ok(image_close(img));
	vhd_assert_clean(file);
}

/* Each sector of now equals that of before or that of after. */
static void assert_old_or_new(const uint8_t *before, const uint8_t *now,
			      const uint8_t *after, uint64_t size)
{
	for (uint64_t off = 0; off < size; off += 512)
		if (memcmp(now + off, before + off, 512) &&
		    memcmp(now + off, after + off, 512))
			vhd_fail_test("sector %u is neither old nor new",
				      (unsigned)(off / 512));
}

/* Operations of each kind, on blocks of 16 KiB. */
static int some_operations(struct vhd_model *m, uint8_t tag)
{
	static const struct {
		uint64_t off, len;
		int zero; /* flags, or -1: a write */
	} ops[] = {
		{ 512, 1024, -1 },         { KIB(16), KIB(32), -1 },
		{ KIB(200), 4096, -1 },    { 4096, 512, ZERO_PUNCH },
		{ KIB(224), KIB(16), 3 },  { 2048, 512, -1 },
		{ KIB(240), KIB(16), 3 },  { KIB(64), KIB(16), 1 },
		{ KIB(208), KIB(16), -1 },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof ops / sizeof *ops && r == 0; i++) {
		uint8_t *at = m->disk + ops[i].off;

		if (ops[i].zero < 0) {
			vhd_fill(at, ops[i].len, ops[i].off, tag);
			r = image_write(m->img, at, ops[i].off, ops[i].len);
		} else {
			memset(at, 0, ops[i].len);
			r = image_zero(m->img, ops[i].off, ops[i].len,
				       ops[i].zero);
		}
		if (r == 0 && i % 3 == 2)
			r = image_flush(m->img);
	}
	return r;
}

/*
 * A power cut at each change of the file: all changes before it are durable,
 * none after it.  The image opens, has no damage except leaks, and each sector
 * has its old or new data.
 */
static void each_failing_write_leaves_old_or_new_data(void **state)
{
	for (int type = IMAGE_DYNAMIC; type <= IMAGE_DIFFERENCING; type++) {
		bool failed = true;

		for (int n = 0; failed; n++) {
			struct vhd_model m = { .file = *state };
			_cleanup_free_ uint8_t *before = malloc(KIB(256));
			_cleanup_free_ uint8_t *now = malloc(KIB(256));
			struct vhd_found found;

			mem_file_resize(m.file, 0);
			vhd_model_init(&m, type, KIB(256), KIB(16));
			vhd_model_write(&m, KIB(208), KIB(48), 50);
			vhd_model_write(&m, 4096, 4096, 50);
			assert_ok(image_flush(m.img));
			memcpy(before, m.disk, KIB(256));
			m.file->fail_after = n;
			m.file->fail_code = -EIO;
			failed = some_operations(&m, 99) < 0;
			(void)image_close(m.img);
			m.file->fail_after = -1;
			vhd_model_open(&m);
			vhd_read_disk(m.img, m.parent, now, 0, KIB(256));
			/* disk has the new data, with the failed write. */
			assert_old_or_new(before, now, m.disk, KIB(256));
			assert_ok(image_close(m.img));
			assert_ok(vhd_run_check(m.file, false, &found));
			if (found.n != found.leaks &&
			    !strstr(found.text, "footer at"))
				vhd_fail_test("%s", found.text);
			vhd_model_open(&m);
			memcpy(m.disk, now, KIB(256));
			vhd_model_write(&m, 0, KIB(256), 3);
			vhd_model_reopen(&m);
			vhd_model_fini(&m);
		}
	}
}

static void failed_table_write_refuses_later_writes(void **state)
{
	struct vhd_model m = { .file = *state };
	uint8_t data[512] = "x";

	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(4), 0);
	vhd_model_write(&m, 0, 512, 1);
	m.file->fail_after = 1; /* the sync succeeds, the table write fails */
	m.file->fail_code = -EIO;
	m.file->fail_once = true;
	assert_errno(image_flush(m.img), -EIO);
	assert_errno(image_write(m.img, data, 0, 512), -EIO);
	assert_errno(image_flush(m.img), -EIO);
	assert_errno(image_close(m.img), -EIO);
	memset(m.disk, 0, MIB(4));
	vhd_model_open(&m);
	vhd_model_compare(&m);
	vhd_model_fini(&m);
}

static void batmap_is_cleared_and_kept(void **state)
{
	struct vhd_model m = { .file = *state };
	uint8_t b[512] = "tdbatmap", map[512];

	/* As XenServer does, right behind the table. */
	vhd_model_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	assert_ok(image_close(m.img));
	vhd_set_footer(m.file, FOOTER_CREATOR, 4, 0x74617000);
	put_be64(b + BATMAP_OFFSET, 0xa00);
	put_be32(b + BATMAP_SECTORS, 1);
	put_be32(b + BATMAP_CHECKSUM, ~UINT32_C(0xff));
	mem_file_poke(m.file, b, sizeof b, 0x800);
	memset(map, 0, sizeof map);
	map[0] = 0xff;
	mem_file_poke(m.file, map, sizeof map, 0xa00);
	vhd_assert_clean(m.file);
	vhd_model_open(&m);
	vhd_model_write(&m, 0, MIB(8), 1);
	vhd_model_zero(&m, MIB(2), MIB(2), ZERO_PUNCH);
	vhd_model_reopen(&m);
	mem_file_peek(m.file, b, sizeof b, 0x800);
	assert_memory_equal(b, "tdbatmap", 8);
	assert_int_equal(get_be32(b + BATMAP_CHECKSUM), UINT32_MAX);
	mem_file_peek(m.file, map, sizeof map, 0xa00);
	assert_true(bytes_are_zero(map, sizeof map));
	vhd_model_fini(&m);
}

#define IN_MEMORY(f) \
	cmocka_unit_test_setup_teardown(f, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_MEMORY(fixed_image_equals_the_model),
		IN_MEMORY(dynamic_image_equals_the_model),
		IN_MEMORY(child_equals_the_model),
		cmocka_unit_test_setup_teardown(images_in_files_equal_the_model,
						scratch_setup,
						scratch_teardown),
		IN_MEMORY(blocks_are_allocated_as_by_windows),
		IN_MEMORY(bitmap_has_a_bit_for_each_stored_sector),
		IN_MEMORY(bitmap_of_a_dynamic_block_has_all_bits_set),
		IN_MEMORY(zeros_hide_parent_data),
		IN_MEMORY(zeros_over_zeros_allocate_nothing),
		IN_MEMORY(punched_block_is_freed),
		IN_MEMORY(zeroed_block_stays_allocated_without_punch),
		IN_MEMORY(freed_space_is_reused_only_after_a_flush),
		IN_MEMORY(reused_space_is_cleared),
		IN_MEMORY(lost_footer_is_restored_before_the_first_change),
		IN_MEMORY(bad_footer_copy_is_restored_before_the_file_grows),
		IN_MEMORY(write_fails_on_a_full_disk_and_works_again_later),
		cmocka_unit_test(file_does_not_grow_beyond_2_tib),
		IN_MEMORY(number_of_dirty_pages_is_bounded),
		IN_MEMORY(each_failing_write_leaves_old_or_new_data),
		IN_MEMORY(failed_table_write_refuses_later_writes),
		IN_MEMORY(batmap_is_cleared_and_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
