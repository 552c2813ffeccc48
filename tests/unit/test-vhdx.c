/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX images of each type: create, write, close, check, open, compare. */
#include "config.h"

#include "unit/vhdx-tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"

static const struct image_params small = { .type = IMAGE_DYNAMIC,
					   .size = 7 * M + 4096,
					   .block_size = M };

static void new_image_reads_zeros_and_has_no_damage(void **state)
{
	static const enum image_type types[] = { IMAGE_FIXED, IMAGE_DYNAMIC };
	(void)state;

	for (unsigned i = 0; i < 2; i++) {
		struct image_params params = { .type = types[i],
					       .size = 5 * M + 512 };
		struct vdisk d;

		vdisk_create(&d, &params);
		vdisk_open(&d, false);
		assert_int_equal(d.img->type, types[i]);
		assert_int_equal(d.img->size, params.size);
		assert_int_equal(d.img->sector_size, 512);
		assert_int_equal(d.img->physical_sector_size, 4096);
		assert_false(d.img->dirty);
		vdisk_compare(&d);
		vdisk_reopen_and_compare(&d);
		vdisk_fini(&d);
	}
}

static void defaults_are_those_of_windows(void **state)
{
	(void)state;
	struct image_params p = { .type = IMAGE_DYNAMIC, .size = M };

	assert_ok(image_params_complete(&vhdx_ops, &p));
	assert_int_equal(p.block_size, 32 * M);
	assert_int_equal(p.sector_size, 512);
	assert_int_equal(p.physical_sector_size, 4096);
	p = (struct image_params){ .type = IMAGE_FIXED, .size = M };
	assert_ok(image_params_complete(&vhdx_ops, &p));
	assert_int_equal(p.block_size, 2 * M);
}

static void invalid_params_are_refused(void **state)
{
	(void)state;
	static const struct image_params bad[] = {
		{ .type = IMAGE_DYNAMIC },
		{ .type = IMAGE_DYNAMIC, .size = 513 },
		{ .type = IMAGE_DYNAMIC, .size = M + 512, .sector_size = 4096 },
		{ .type = IMAGE_DYNAMIC, .size = TIB(64) + 512 },
		{ .type = IMAGE_DYNAMIC, .size = M, .block_size = M / 2 },
		{ .type = IMAGE_DYNAMIC, .size = M, .block_size = 3 * M },
		{ .type = IMAGE_DYNAMIC, .size = M, .block_size = 512 * M },
		{ .type = IMAGE_DYNAMIC, .size = M, .sector_size = 1024 },
		{ .type = IMAGE_DYNAMIC,
		  .size = M,
		  .physical_sector_size = 8192 },
	};

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct image_params p = bad[i];

		assert_errno(image_params_complete(&vhdx_ops, &p), -EINVAL);
	}
}

static void random_writes_survive_a_reopen(const struct image_params *params,
					   bool child)
{
	uint64_t seed = seed_from_environment();
	struct vdisk d;

	if (child)
		vdisk_create_child(&d, params, &seed);
	else
		vdisk_create(&d, params);
	for (unsigned round = 0; round < 4; round++) {
		vdisk_open(&d, true);
		vdisk_exercise(&d, &seed, 60);
		vdisk_compare(&d);
		vdisk_reopen_and_compare(&d);
	}
	vdisk_fini(&d);
}

static void dynamic_images_follow_the_model(void **state)
{
	(void)state;
	random_writes_survive_a_reopen(&small, false);
}

static void fixed_images_follow_the_model(void **state)
{
	(void)state;
	struct image_params params = { .type = IMAGE_FIXED,
				       .size = 9 * M + 1536 };

	random_writes_survive_a_reopen(&params, false);
}

static void children_follow_the_model(void **state)
{
	(void)state;
	random_writes_survive_a_reopen(&small, true);
}

static void images_of_4096_byte_sectors_follow_the_model(void **state)
{
	(void)state;
	static const uint32_t physical[] = { 512, 4096 };

	for (unsigned i = 0; i < 2; i++) {
		struct image_params params = small;

		params.sector_size = 4096;
		params.physical_sector_size = physical[i];
		random_writes_survive_a_reopen(&params, false);
		random_writes_survive_a_reopen(&params, true);
	}
}

static void every_block_size_follows_the_model(void **state)
{
	(void)state;
	for (uint64_t block = M; block <= 256 * M; block *= 2) {
		struct image_params params = {
			.type = IMAGE_DYNAMIC,
			.size = block <= 4 * M ? 3 * block - 512 : 5 * M,
			.block_size = block,
		};

		random_writes_survive_a_reopen(&params, block % 3 == 1);
		random_writes_survive_a_reopen(&params, true);
	}
}

/* A bitmap entry precedes the entries of the second chunk. */
static void blocks_of_a_second_chunk_are_found(void **state)
{
	(void)state;
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = 5 * 1024 * M,
				       .block_size = 256 * M };
	uint64_t edge = 4 * 1024 * M;
	uint8_t buf[1024], want[1024];
	struct extent e;
	struct vdisk d;

	vdisk_create(&d, &params);
	vdisk_open(&d, true);
	memset(want, 'x', sizeof want);
	assert_ok(image_write(d.img, want, edge - 512, 1024));
	vdisk_close(&d);
	vdisk_expect_undamaged(&d);
	vdisk_open(&d, false);
	vdisk_read(&d, buf, edge - 512, 1024);
	assert_memory_equal(buf, want, sizeof want);
	assert_ok(image_map(d.img, edge + 512, 512, &e));
	vdisk_read(&d, buf, edge + 512, 512);
	assert_true(bytes_are_zero(buf, 512));
	/* 16 blocks of the first chunk, its bitmap, the 17th block. */
	assert_int_equal(VHDX_BAT_STATE(vdisk_get64(&d, BAT_OFF + 8 * 16)), 0);
	assert_int_equal(VHDX_BAT_STATE(vdisk_get64(&d, BAT_OFF + 8 * 17)), 6);
	vdisk_fini(&d);
}

static void largest_disk_opens_and_is_written(void **state)
{
	(void)state;
	struct mem_file file;
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = TIB(64),
				       .block_size = M };
	uint8_t buf[512] = "the end";
	struct image *img;
	struct extent e;
	struct io *io;

	mem_file_init(&file);
	assert_ok(io_mem_open(&file, "large.vhdx", true, &io));
	assert_ok(image_create(io, &vhdx_ops, &params));
	mem_file_reset_counters(&file);
	assert_ok(image_open(io, NULL, &img));
	/* Not the whole BAT of 513 MiB was read. */
	assert_in_range(file.n_pread, 1, 100);
	assert_ok(image_write(img, buf, params.size - 512, 512));
	assert_ok(image_map(img, params.size - 512, 512, &e));
	assert_int_equal(e.kind, EXTENT_STORED);
	assert_ok(image_close(img));
	mem_file_fini(&file);
}

static unsigned state_of(const struct vdisk *d, unsigned block)
{
	return VHDX_BAT_STATE(vdisk_get64(d, BAT_OFF + 8 * block));
}

static void blocks_of_a_dynamic_image_have_the_right_states(void **state)
{
	(void)state;
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'a');
	vdisk_write(&d, M, M, 'b');
	vdisk_write(&d, 2 * M, M, 'c');
	vdisk_end_writes(&d);
	assert_int_equal(state_of(&d, 0), VHDX_PRESENT);
	assert_int_equal(state_of(&d, 1), VHDX_PRESENT);
	/* Only a punch of the whole block frees it. */
	vdisk_zero(&d, 0, M, 0);
	vdisk_zero(&d, M, M, ZERO_PUNCH);
	vdisk_zero(&d, 2 * M, M - 512, ZERO_PUNCH);
	vdisk_zero(&d, 3 * M, M, 0);
	vdisk_end_writes(&d);
	assert_int_equal(state_of(&d, 0), VHDX_PRESENT);
	assert_int_equal(state_of(&d, 1), VHDX_NOT_PRESENT);
	assert_int_equal(state_of(&d, 2), VHDX_PRESENT);
	assert_int_equal(state_of(&d, 3), VHDX_NOT_PRESENT);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void blocks_of_a_child_have_the_right_states(void **state)
{
	(void)state;
	uint64_t seed = 1;
	struct vdisk d;

	vdisk_create_child(&d, &small, &seed);
	memset(d.parent, 'p', d.size);
	memset(d.parent + 5 * M, 0, M);
	memcpy(d.model, d.parent, d.size);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'a');   /* part */
	vdisk_write(&d, M, M, 'b');     /* whole */
	vdisk_zero(&d, 2 * M, M, 0);    /* whole, over the parent's */
	vdisk_zero(&d, 3 * M, 4096, 0); /* part, over the parent's */
	vdisk_zero(&d, 5 * M, M, 0);    /* over the parent's zeros */
	vdisk_zero(&d, 6 * M, M, ZERO_PUNCH);
	vdisk_write(&d, 6 * M + 512, 512, 'c'); /* among zeros */
	vdisk_end_writes(&d);
	assert_int_equal(state_of(&d, 0), VHDX_PARTIAL);
	assert_int_equal(state_of(&d, 1), VHDX_PRESENT);
	assert_int_equal(vdisk_get64(&d, BAT_OFF + 16), VHDX_ZERO);
	assert_int_equal(state_of(&d, 3), VHDX_PARTIAL);
	assert_int_equal(state_of(&d, 5), VHDX_NOT_PRESENT);
	assert_int_equal(state_of(&d, 6), VHDX_PRESENT);
	vdisk_compare(&d);
	/* A partially present block that is freed hides the parent. */
	vdisk_zero(&d, 0, M, ZERO_PUNCH);
	vdisk_end_writes(&d);
	assert_int_equal(vdisk_get64(&d, BAT_OFF), VHDX_ZERO);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void zeroing_zeros_allocates_nothing(void **state)
{
	(void)state;
	uint64_t seed = 1, size;
	struct vdisk d;

	vdisk_create_child(&d, &small, &seed);
	memset(d.parent, 0, d.size);
	memset(d.model, 0, d.size);
	size = d.file.size;
	vdisk_open(&d, true);
	vdisk_zero(&d, 0, d.size, ZERO_PUNCH);
	vdisk_zero(&d, 4096, 2 * M, 0);
	assert_int_equal(d.file.size, size);
	vdisk_reopen_and_compare(&d);
	assert_int_equal(d.file.size, size);
	vdisk_fini(&d);
}

static void fixed_image_frees_no_space(void **state)
{
	(void)state;
	struct image_params params = { .type = IMAGE_FIXED, .size = 4 * M };
	struct vdisk d;
	uint64_t size;

	vdisk_create(&d, &params);
	size = d.file.size;
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 4 * M, 'x');
	vdisk_zero(&d, 0, 4 * M, ZERO_PUNCH);
	vdisk_flush(&d);
	assert_int_equal(state_of(&d, 0), VHDX_PRESENT);
	assert_int_equal(state_of(&d, 1), VHDX_PRESENT);
	vdisk_reopen_and_compare(&d);
	assert_int_equal(d.file.size, size);
	vdisk_fini(&d);
}

static void freed_space_is_reused_only_after_a_flush(void **state)
{
	(void)state;
	struct extent before, after;
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, M, 'a');
	vdisk_flush(&d);
	assert_ok(image_map(d.img, 0, 512, &before));
	vdisk_zero(&d, 0, M, ZERO_PUNCH);
	vdisk_write(&d, M, 512, 'b');
	assert_ok(image_map(d.img, M, 512, &after));
	assert_int_not_equal(before.file_off, after.file_off);
	vdisk_flush(&d);
	vdisk_write(&d, 2 * M, 512, 'c');
	assert_ok(image_map(d.img, 2 * M, 512, &after));
	assert_int_equal(before.file_off, after.file_off);
	vdisk_compare(&d);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void reused_space_reads_zeros(void **state)
{
	(void)state;
	uint8_t junk[4096];
	struct vdisk d;

	vdisk_create(&d, &small);
	/* A leaked block with data between others. */
	vdisk_open(&d, true);
	vdisk_write(&d, 0, M, 'a');
	vdisk_write(&d, M, M, 'b');
	vdisk_close(&d);
	vdisk_put64(&d, BAT_OFF, 0);
	memset(d.model, 0, M);
	memset(junk, 'j', sizeof junk);
	mem_file_poke(&d.file, junk, sizeof junk, 4 * M + 8192);
	vdisk_open(&d, true);
	vdisk_write(&d, 2 * M, 512, 'c');
	assert_int_equal(d.file.size, 6 * M);
	vdisk_compare(&d);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void close_truncates_the_unused_end(void **state)
{
	(void)state;
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 3 * M, 'a');
	vdisk_zero(&d, 2 * M, M, ZERO_PUNCH);
	vdisk_reopen_and_compare(&d);
	assert_int_equal(d.file.size, 6 * M);
	/* Also without an allocation since the open. */
	vdisk_open(&d, true);
	vdisk_zero(&d, M, M, ZERO_PUNCH);
	vdisk_reopen_and_compare(&d);
	assert_int_equal(d.file.size, 5 * M);
	vdisk_fini(&d);
}

/* Each flush logs the bitmap's page, which is checkpointed only now and then.
 */
static void tables_are_checkpointed_when_the_log_restarts(void **state)
{
	enum { FLUSHES = 60 };
	(void)state;
	uint64_t seed = 1;
	struct vdisk d;

	vdisk_create_child(&d, &small, &seed);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'a');
	vdisk_flush(&d);
	mem_file_reset_counters(&d.file);
	for (unsigned i = 1; i <= FLUSHES; i++) {
		vdisk_write(&d, i * 4096, 4096, i);
		vdisk_flush(&d);
	}
	assert_in_range(d.file.n_pwrite, 2 * FLUSHES + 1,
			2 * FLUSHES + FLUSHES / 4);
	assert_int_equal(d.file.n_sync, 2 * FLUSHES);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static unsigned writes_of(struct vdisk *d, uint64_t off, uint64_t len)
{
	d->file.n_pwrite = 0;
	vdisk_write(d, off, len, 'x');
	return d->file.n_pwrite;
}

/* See io_write_chunked. */
static void first_writes_are_chunked(void **state)
{
	enum { LEN = 256 << 10, STEPS = 4 };
	(void)state;
	uint64_t seed = 1;
	struct vdisk d;

	vdisk_create_child(&d, &small, &seed);
	vdisk_open(&d, true);
	vdisk_write(&d, 2 * M, 512, 'a');
	vdisk_flush(&d);
	/* With an allocation. */
	assert_int_equal(writes_of(&d, 0, LEN), STEPS);
	/* Under the shared lock: the page with the bits is dirty. */
	assert_int_equal(writes_of(&d, LEN, LEN), STEPS);
	/* The page with the bits is clean after the flush. */
	vdisk_flush(&d);
	assert_int_equal(writes_of(&d, 2 * LEN, LEN), STEPS);
	assert_int_equal(writes_of(&d, 0, 3 * LEN), 1);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void soft_anchors_are_respected_and_dropped(void **state)
{
	(void)state;
	struct vdisk d;

	vdisk_create(&d, &small);
	mem_file_resize(&d.file, 6 * M);
	vdisk_put64(&d, BAT_OFF, (4 * M) | VHDX_UNMAPPED);
	vdisk_put64(&d, BAT_OFF + 8, (5 * M) | VHDX_UNDEFINED);
	vdisk_expect_undamaged(&d);
	vdisk_open(&d, true);
	vdisk_compare(&d);
	vdisk_write(&d, 2 * M, 512, 'a');
	vdisk_write(&d, 0, 512, 'b');
	vdisk_end_writes(&d);
	assert_int_equal(vdisk_get64(&d, BAT_OFF + 16), (6 * M) | VHDX_PRESENT);
	assert_int_equal(vdisk_get64(&d, BAT_OFF), (7 * M) | VHDX_PRESENT);
	vdisk_write(&d, M, 512, 'c');
	vdisk_end_writes(&d);
	/* The space of block 0's anchor is free since the flush. */
	assert_int_equal(vdisk_get64(&d, BAT_OFF + 8), (4 * M) | VHDX_PRESENT);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

/* QEMU before 4.2 ended a fixed image at the disk's end. */
static void file_that_ends_at_the_disks_end_reads_and_grows(void **state)
{
	(void)state;
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 7 * M, 4096, 'a');
	vdisk_close(&d);
	mem_file_resize(&d.file, 4 * M + 4096);
	vdisk_expect_undamaged(&d);
	vdisk_open(&d, true);
	vdisk_compare(&d);
	vdisk_write(&d, 7 * M + 512, 512, 'b');
	vdisk_write(&d, M, 512, 'c');
	vdisk_zero(&d, 7 * M, 4096, ZERO_PUNCH);
	vdisk_compare(&d);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

/* State 5 of the 0.95 draft hides the parent. */
static void block_in_state_5_reads_zeros(void **state)
{
	(void)state;
	for (int child = 0; child < 2; child++) {
		uint64_t seed = 1;
		struct found found;
		struct vdisk d;

		if (child)
			vdisk_create_child(&d, &small, &seed);
		else
			vdisk_create(&d, &small);
		vdisk_put64(&d, BAT_OFF, VHDX_UNMAPPED_DRAFT);
		vdisk_put64(&d, BAT_OFF + 8, (4 * M) | VHDX_UNMAPPED_DRAFT);
		mem_file_resize(&d.file, 5 * M);
		memset(d.model, 0, 2 * M);
		found = vdisk_check(&d, true);
		assert_int_equal(found.damages + found.leaks, 0);
		assert_non_null(
			strstr(found.remark, "2 blocks are in state 5"));
		vdisk_open(&d, true);
		vdisk_compare(&d);
		/* A write sets a valid state; the other sectors still hide
		 * the parent. */
		vdisk_write(&d, 4096, 512, 'a');
		vdisk_write(&d, M, M, 'b');
		vdisk_compare(&d);
		vdisk_reopen_and_compare(&d);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(VHDX_BAT_STATE(vdisk_get64(
						 &d, BAT_OFF + 8 * i)),
					 VHDX_PRESENT);
		vdisk_fini(&d);
	}
}

/* Windows sets the bits past the disk's end to the end of their page. */
static void bits_behind_the_disks_end_are_ignored(void **state)
{
	(void)state;
	uint64_t seed = 1, bitmap;
	uint8_t ones[2048];
	struct vdisk d;

	vdisk_create_child(&d, &small, &seed);
	vdisk_open(&d, true);
	vdisk_write(&d, 7 * M, 512, 'a');
	vdisk_close(&d);
	bitmap = VHDX_BAT_OFFSET(vdisk_get64(&d, BAT_OFF + 8 * 4096));
	memset(ones, 0xff, sizeof ones);
	mem_file_poke(&d.file, ones, sizeof ones, bitmap + 7 * 256 + 1);
	vdisk_expect_undamaged(&d);
	vdisk_open(&d, true);
	vdisk_compare(&d);
	/* Bits of blocks that are not present are ignored, too. */
	mem_file_poke(&d.file, ones, 256, bitmap + 256);
	vdisk_write(&d, M + 1024, 512, 'b');
	vdisk_compare(&d);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void image_open_for_reading_refuses_writes(void **state)
{
	(void)state;
	uint8_t buf[512] = { 0 };
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, false);
	assert_errno(image_write(d.img, buf, 0, 512), -EROFS);
	assert_errno(image_zero(d.img, 0, 512, 0), -EROFS);
	vdisk_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_image_reads_zeros_and_has_no_damage),
		cmocka_unit_test(defaults_are_those_of_windows),
		cmocka_unit_test(invalid_params_are_refused),
		cmocka_unit_test(dynamic_images_follow_the_model),
		cmocka_unit_test(fixed_images_follow_the_model),
		cmocka_unit_test(children_follow_the_model),
		cmocka_unit_test(images_of_4096_byte_sectors_follow_the_model),
		cmocka_unit_test(every_block_size_follows_the_model),
		cmocka_unit_test(blocks_of_a_second_chunk_are_found),
		cmocka_unit_test(largest_disk_opens_and_is_written),
		cmocka_unit_test(
			blocks_of_a_dynamic_image_have_the_right_states),
		cmocka_unit_test(blocks_of_a_child_have_the_right_states),
		cmocka_unit_test(zeroing_zeros_allocates_nothing),
		cmocka_unit_test(fixed_image_frees_no_space),
		cmocka_unit_test(freed_space_is_reused_only_after_a_flush),
		cmocka_unit_test(reused_space_reads_zeros),
		cmocka_unit_test(close_truncates_the_unused_end),
		cmocka_unit_test(tables_are_checkpointed_when_the_log_restarts),
		cmocka_unit_test(first_writes_are_chunked),
		cmocka_unit_test(soft_anchors_are_respected_and_dropped),
		cmocka_unit_test(
			file_that_ends_at_the_disks_end_reads_and_grows),
		cmocka_unit_test(block_in_state_5_reads_zeros),
		cmocka_unit_test(bits_behind_the_disks_end_are_ignored),
		cmocka_unit_test(image_open_for_reading_refuses_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
