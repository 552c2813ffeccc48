/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing to VHD images: random operations beside a flat array, what is synced
 * when, and what is left when a write fails.
 */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

static void beside_random(struct beside *m, uint64_t *seed, unsigned n)
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
			beside_reopen(m);
			break;
		case 2 ... 6:
			beside_zero(m, off, len, random_next(seed) % 4);
			break;
		default:
			beside_write(m, off, len, random_next(seed));
		}
	}
	beside_reopen(m);
}

static void random_operations(struct beside *m, enum image_type type,
			      unsigned n)
{
	static const uint64_t blocks[] = { 512,      4096,   KIB(16),
					   KIB(512), MIB(2), MIB(4) };
	uint64_t seed = seed_from_environment();

	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
		uint64_t size = min_u64(MIB(6), 20 * blocks[i]) + 1536;

		if (m->file)
			mem_file_resize(m->file, 0);
		beside_init(m, type, size, type == IMAGE_FIXED ? 0 : blocks[i]);
		beside_random(m, &seed, n);
		beside_fini(m);
		m->parent = NULL;
		if (type == IMAGE_FIXED)
			return;
	}
}

static void a_fixed_image_is_what_the_model_says(void **state)
{
	struct beside m = { .file = *state };

	random_operations(&m, IMAGE_FIXED, 300);
}

static void a_dynamic_image_is_what_the_model_says(void **state)
{
	struct beside m = { .file = *state };

	random_operations(&m, IMAGE_DYNAMIC, 150);
}

static void a_child_is_what_the_model_says(void **state)
{
	struct beside m = { .file = *state };

	random_operations(&m, IMAGE_DIFFERENCING, 150);
}

static void files_are_what_the_model_says(void **state)
{
	struct beside m = { .path = scratch_path(state, "model.vhd") };

	random_operations(&m, IMAGE_FIXED, 60);
	random_operations(&m, IMAGE_DYNAMIC, 30);
	random_operations(&m, IMAGE_DIFFERENCING, 30);
}

static void blocks_are_placed_as_windows_does_it(void **state)
{
	struct beside m = { .file = *state };

	beside_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	beside_write(&m, MIB(4), 512, 1);
	beside_write(&m, 0, 512, 1);
	beside_write(&m, MIB(6), 512, 1);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), 15);
	assert_int_equal(vhd_get_entry(m.file, 0), 15 + 4104);
	assert_int_equal(vhd_get_entry(m.file, 3), 15 + 2 * 4104);
	assert_int_equal(m.file->size, (15 + 3 * 4104 + 1) * 512);
	beside_reopen(&m);
	beside_fini(&m);
}

static void bits_say_what_is_stored(void **state)
{
	struct beside m = { .file = *state };
	uint8_t bits[512], expected[512] = { 0 };

	beside_init(&m, IMAGE_DIFFERENCING, MIB(4), 0);
	beside_write(&m, 512, 1024, 1);
	beside_write(&m, 15 * 512, 9 * 512, 1);
	beside_write(&m, MIB(2), MIB(2), 1);
	assert_ok(image_flush(m.img));
	expected[0] = 0x60;
	expected[1] = 0x01;
	expected[2] = 0xff;
	mem_file_peek(m.file, bits, 512, vhd_get_entry(m.file, 0) * 512u);
	assert_memory_equal(bits, expected, 512);
	mem_file_peek(m.file, bits, 512, vhd_get_entry(m.file, 1) * 512u);
	memset(expected, 0xff, 512);
	assert_memory_equal(bits, expected, 512);
	beside_reopen(&m);
	beside_fini(&m);
}

static void the_whole_of_a_dynamic_block_is_marked_at_once(void **state)
{
	struct beside m = { .file = *state };
	uint8_t bits[512], expected[512];

	beside_init(&m, IMAGE_DYNAMIC, MIB(4), 0);
	beside_write(&m, 512, 512, 1);
	assert_ok(image_flush(m.img));
	memset(expected, 0xff, 512);
	mem_file_peek(m.file, bits, 512, vhd_get_entry(m.file, 0) * 512u);
	assert_memory_equal(bits, expected, 512);
	beside_fini(&m);
}

static void zeros_hide_the_parent_and_never_expose_it(void **state)
{
	struct beside m = { .file = *state };
	struct extent e = { 0 };

	beside_init(&m, IMAGE_DIFFERENCING, MIB(8), 0);
	beside_zero(&m, 0, MIB(2), ZERO_PUNCH);
	beside_zero(&m, MIB(2) + 512, 1024, ZERO_PUNCH);
	beside_compare(&m);
	/* The whole block is stored, and costs a bitmap. */
	assert_ok(image_map(m.img, 0, MIB(2), &e));
	assert_int_equal(e.kind, EXTENT_HERE);
	assert_int_equal(e.len, MIB(2));
	assert_ok(image_flush(m.img));
	assert_true(mem_file_used(m.file) < 24);
	beside_write(&m, 0, MIB(2), 3);
	beside_zero(&m, 0, MIB(2), ZERO_PUNCH);
	beside_reopen(&m);
	assert_true(mem_file_used(m.file) < 24);
	beside_fini(&m);
}

static void zeros_over_zeros_allocate_nothing(void **state)
{
	struct beside m = { .file = *state };

	beside_init(&m, IMAGE_DIFFERENCING, MIB(8), 0);
	beside_zero(&m, MIB(4), MIB(4), ZERO_BELOW);
	beside_zero(&m, MIB(6) + 512, 512, ZERO_BELOW | ZERO_PUNCH);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), BAT_UNUSED);
	assert_int_equal(vhd_get_entry(m.file, 3), BAT_UNUSED);
	beside_fini(&m);
}

static void a_block_of_zeros_gives_its_space_back(void **state)
{
	for (int type = IMAGE_DYNAMIC; type <= IMAGE_DIFFERENCING; type++) {
		struct beside m = { .file = *state };
		size_t before;

		mem_file_resize(m.file, 0);
		beside_init(&m, type, MIB(8), 0);
		before = mem_file_used(m.file);
		beside_write(&m, MIB(4), MIB(4), 1);
		assert_true(mem_file_used(m.file) > before + 1000);
		assert_ok(image_flush(m.img));
		beside_zero(&m, MIB(4), MIB(4), ZERO_PUNCH | ZERO_BELOW);
		/* Not before it is durable that nobody needs it. */
		assert_true(mem_file_used(m.file) > before + 1000);
		beside_reopen(&m);
		assert_true(mem_file_used(m.file) <= before + 4);
		assert_int_equal(vhd_get_entry(m.file, 2), BAT_UNUSED);
		beside_fini(&m);
	}
}

static void without_punch_a_block_of_zeros_stays(void **state)
{
	struct beside m = { .file = *state };
	uint32_t entry;

	beside_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	beside_write(&m, 0, MIB(2), 1);
	assert_ok(image_flush(m.img));
	entry = vhd_get_entry(m.file, 0);
	beside_zero(&m, 0, MIB(2), ZERO_BELOW);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 0), entry);
	beside_reopen(&m);
	beside_fini(&m);
}

static void space_is_used_again_only_after_a_flush(void **state)
{
	struct beside m = { .file = *state };
	uint64_t size;

	beside_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	beside_write(&m, 0, MIB(2), 1);
	assert_ok(image_flush(m.img));
	beside_zero(&m, 0, MIB(2), ZERO_PUNCH);
	size = m.file->size;
	beside_write(&m, MIB(2), 512, 2);
	assert_true(m.file->size > size);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 1), 15 + 4104);
	size = m.file->size;
	beside_write(&m, MIB(4), 512, 3);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), 15);
	assert_int_equal(m.file->size, size);
	beside_reopen(&m);
	beside_fini(&m);
}

static void space_with_old_bytes_in_it_is_cleared_before_use(void **state)
{
	struct beside m = { .file = *state };
	uint8_t junk[8192];

	/* A crash left a block, and a footer behind it, that no entry names. */
	beside_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	beside_write(&m, 0, MIB(2), 1);
	assert_ok(image_close(m.img));
	vhd_set_entry(m.file, 0, BAT_UNUSED);
	memset(m.disk, 0, MIB(2));
	memset(junk, 0xee, sizeof junk);
	mem_file_poke(m.file, junk, sizeof junk, 65536);
	beside_open(&m);
	beside_compare(&m);
	beside_write(&m, MIB(4) + 512, 512, 2);
	assert_ok(image_flush(m.img));
	assert_int_equal(vhd_get_entry(m.file, 2), 15);
	beside_reopen(&m);
	beside_fini(&m);
}

static void a_lost_footer_is_put_back_before_the_first_change(void **state)
{
	struct beside m = { .file = *state };
	uint8_t footer[FOOTER_SIZE], copy[FOOTER_SIZE];
	uint64_t size;

	beside_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	beside_write(&m, 0, MIB(2), 1);
	assert_ok(image_close(m.img));
	size = m.file->size;
	mem_file_peek(m.file, copy, sizeof copy, 0);
	/* A block was being appended. */
	mem_file_resize(m.file, size + MIB(1) + 77);
	mem_file_poke(m.file, "junk", 4, size - FOOTER_SIZE);
	mem_file_poke(m.file, "junk", 4, size + 8192);
	beside_open(&m);
	assert_true(m.img->dirty);
	beside_compare(&m);
	beside_write(&m, 512, 512, 2);
	assert_int_equal(m.file->size, size);
	mem_file_peek(m.file, footer, sizeof footer, size - FOOTER_SIZE);
	mem_file_peek(m.file, copy, sizeof copy, 0);
	assert_memory_equal(footer, copy, sizeof footer);
	beside_reopen(&m);
	assert_false(m.img->dirty);
	beside_fini(&m);
}

static void a_bad_copy_is_put_back_before_the_file_grows(void **state)
{
	struct beside m = { .file = *state };
	uint8_t footer[FOOTER_SIZE], copy[FOOTER_SIZE];

	beside_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
	assert_ok(image_close(m.img));
	mem_file_poke(m.file, "junk", 4, 100);
	beside_open(&m);
	beside_write(&m, 0, 512, 1);
	mem_file_peek(m.file, copy, sizeof copy, 0);
	mem_file_peek(m.file, footer, sizeof footer,
		      m.file->size - FOOTER_SIZE);
	assert_memory_equal(copy, footer, sizeof footer);
	beside_reopen(&m);
	beside_fini(&m);
}

static void a_full_disk_refuses_and_then_goes_on(void **state)
{
	for (int type = IMAGE_DYNAMIC; type <= IMAGE_DIFFERENCING; type++) {
		struct beside m = { .file = *state };
		_cleanup_free_ uint8_t *data = malloc(MIB(2));
		uint64_t size;

		mem_file_resize(m.file, 0);
		beside_init(&m, type, MIB(8), 0);
		beside_write(&m, 0, MIB(2), 1);
		size = m.file->size;
		vhd_fill(data, MIB(2), 0, 9);
		for (size_t more = 0; more < 500; more += 7) {
			m.file->room = mem_file_used(m.file) + more;
			assert_errno(image_write(m.img, data, MIB(4), MIB(2)),
				     -ENOSPC);
			m.file->room = 0;
			assert_int_equal(m.file->size, size);
			beside_compare(&m);
		}
		beside_write(&m, MIB(4), MIB(2), 2);
		beside_reopen(&m);
		beside_fini(&m);
	}
}

static void a_file_that_would_pass_2_tib_is_not_grown(void **state)
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

	/* All is used up to 2 MiB below the bound; nothing is written. */
	assert_ok(extent_set_add(&v.space, 0, end));
	extent_set_sort(&v.space);
	assert_errno(vhd_space_alloc(&v, &room), -EFBIG);
	assert_non_null(strstr(error_text(), "2 TiB"));
	extent_set_fini(&v.space);
}

static void waiting_pages_are_bounded(void **state)
{
	struct mem_file *file = *state;
	struct image *img;
	uint8_t data[512] = "x";

	/* Blocks of 4 KiB: a bitmap page each. */
	vhd_make(file, IMAGE_DIFFERENCING, MIB(40), 4096);
	img = vhd_open_file(file, true);
	file->n_sync = 0;
	for (uint64_t i = 0; i < 9000; i++) {
		assert_ok(image_write(img, data, i * 4096, 512));
		assert_true(vhd_of(img)->bitmaps.n_dirty +
				    vhd_of(img)->bat.n_dirty <=
			    4097);
	}
	/* Blocks that are new have their bitmap on disk already. */
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

/* Each sector of now is that of before or of after. */
static void assert_old_or_new(const uint8_t *before, const uint8_t *now,
			      const uint8_t *after, uint64_t size)
{
	for (uint64_t off = 0; off < size; off += 512)
		if (memcmp(now + off, before + off, 512) &&
		    memcmp(now + off, after + off, 512))
			vhd_complain("sector %u is neither old nor new",
				     (unsigned)(off / 512));
}

/* Some of each kind of operation on blocks of 16 KiB. */
static int some_operations(struct beside *m, uint8_t tag)
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
 * Power goes at every single change of the file: all before it is there, none
 * after.  The image opens, is sound but for leaks, and holds old or new.
 */
static void whatever_write_fails_the_image_holds_old_or_new(void **state)
{
	for (int type = IMAGE_DYNAMIC; type <= IMAGE_DIFFERENCING; type++) {
		bool failed = true;

		for (int n = 0; failed; n++) {
			struct beside m = { .file = *state };
			_cleanup_free_ uint8_t *before = malloc(KIB(256));
			_cleanup_free_ uint8_t *now = malloc(KIB(256));
			struct vhd_found found;

			mem_file_resize(m.file, 0);
			beside_init(&m, type, KIB(256), KIB(16));
			beside_write(&m, KIB(208), KIB(48), 50);
			beside_write(&m, 4096, 4096, 50);
			assert_ok(image_flush(m.img));
			memcpy(before, m.disk, KIB(256));
			m.file->fail_after = n;
			m.file->fail_code = -EIO;
			failed = some_operations(&m, 99) < 0;
			(void)image_close(m.img);
			m.file->fail_after = -1;
			beside_open(&m);
			vhd_read_disk(m.img, m.parent, now, 0, KIB(256));
			/* What was not reached would have been after's. */
			assert_old_or_new(before, now, m.disk, KIB(256));
			assert_ok(image_close(m.img));
			assert_ok(vhd_run_check(m.file, false, &found));
			if (found.n != found.leaks &&
			    !strstr(found.text, "footer at"))
				vhd_complain("%s", found.text);
			beside_open(&m);
			memcpy(m.disk, now, KIB(256));
			beside_write(&m, 0, KIB(256), 3);
			beside_reopen(&m);
			beside_fini(&m);
		}
	}
}

static void after_a_failed_table_write_the_image_takes_no_more(void **state)
{
	struct beside m = { .file = *state };
	uint8_t data[512] = "x";

	beside_init(&m, IMAGE_DYNAMIC, MIB(4), 0);
	beside_write(&m, 0, 512, 1);
	m.file->fail_after = 1; /* the sync passes, the table does not */
	m.file->fail_code = -EIO;
	m.file->fail_once = true;
	assert_errno(image_flush(m.img), -EIO);
	assert_errno(image_write(m.img, data, 0, 512), -EIO);
	assert_errno(image_flush(m.img), -EIO);
	assert_errno(image_close(m.img), -EIO);
	memset(m.disk, 0, MIB(4));
	beside_open(&m);
	beside_compare(&m);
	beside_fini(&m);
}

static void a_batmap_is_kept_and_says_nothing_false(void **state)
{
	struct beside m = { .file = *state };
	uint8_t b[512] = "tdbatmap", map[512];

	/* As XenServer lays it out: right behind the table. */
	beside_init(&m, IMAGE_DYNAMIC, MIB(8), 0);
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
	beside_open(&m);
	beside_write(&m, 0, MIB(8), 1);
	beside_zero(&m, MIB(2), MIB(2), ZERO_PUNCH);
	beside_reopen(&m);
	mem_file_peek(m.file, b, sizeof b, 0x800);
	assert_memory_equal(b, "tdbatmap", 8);
	assert_int_equal(get_be32(b + BATMAP_CHECKSUM), UINT32_MAX);
	mem_file_peek(m.file, map, sizeof map, 0xa00);
	assert_true(bytes_are_zero(map, sizeof map));
	beside_fini(&m);
}

#define IN_MEMORY(f) \
	cmocka_unit_test_setup_teardown(f, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_MEMORY(a_fixed_image_is_what_the_model_says),
		IN_MEMORY(a_dynamic_image_is_what_the_model_says),
		IN_MEMORY(a_child_is_what_the_model_says),
		cmocka_unit_test_setup_teardown(files_are_what_the_model_says,
						scratch_setup,
						scratch_teardown),
		IN_MEMORY(blocks_are_placed_as_windows_does_it),
		IN_MEMORY(bits_say_what_is_stored),
		IN_MEMORY(the_whole_of_a_dynamic_block_is_marked_at_once),
		IN_MEMORY(zeros_hide_the_parent_and_never_expose_it),
		IN_MEMORY(zeros_over_zeros_allocate_nothing),
		IN_MEMORY(a_block_of_zeros_gives_its_space_back),
		IN_MEMORY(without_punch_a_block_of_zeros_stays),
		IN_MEMORY(space_is_used_again_only_after_a_flush),
		IN_MEMORY(space_with_old_bytes_in_it_is_cleared_before_use),
		IN_MEMORY(a_lost_footer_is_put_back_before_the_first_change),
		IN_MEMORY(a_bad_copy_is_put_back_before_the_file_grows),
		IN_MEMORY(a_full_disk_refuses_and_then_goes_on),
		cmocka_unit_test(a_file_that_would_pass_2_tib_is_not_grown),
		IN_MEMORY(waiting_pages_are_bounded),
		IN_MEMORY(whatever_write_fails_the_image_holds_old_or_new),
		IN_MEMORY(after_a_failed_table_write_the_image_takes_no_more),
		IN_MEMORY(a_batmap_is_kept_and_says_nothing_false),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
