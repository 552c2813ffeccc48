/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory and time that the largest and the most hostile VHD files cost. */
#include "config.h"

#include "unit/bounds.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"
#include "format/vhd-internal.h"

static struct {
	uint64_t n;
	uint32_t first, step; /* sectors; step 0: all at the same offset */
	unsigned swap;
	bool unused;
} vhd;

enum { TABLE_OFF = 4096 };

static void table_page(uint8_t *page, uint64_t file_off)
{
	uint64_t i = (file_off - TABLE_OFF) / BAT_ENTRY;

	memset(page, 0xff, SPARSE_PAGE);
	for (unsigned k = 0; k < SPARSE_PAGE / BAT_ENTRY && !vhd.unused; k++)
		if (i + k < vhd.n - 1)
			put_be32(page + k * BAT_ENTRY,
				 vhd.first + (uint32_t)((i + k) ^ vhd.swap) *
						     vhd.step);
}

/* A dynamic VHD of n blocks of that size, and a footer far behind them. */
static void make_vhd(uint64_t n, uint32_t block_size, uint32_t step,
		     unsigned swap, bool unused)
{
	uint8_t footer[FOOTER_SIZE] = FOOTER_COOKIE_TEXT;
	uint8_t header[HEADER_SIZE] = HEADER_COOKIE_TEXT;
	uint64_t end = TABLE_OFF + n * BAT_ENTRY;

	sparse_reset(&bounds_file);
	put_be32(footer + FOOTER_FEATURES, VHD_FEATURES);
	put_be32(footer + FOOTER_VERSION, VHD_VERSION);
	put_be64(footer + FOOTER_DATA_OFFSET, FOOTER_SIZE);
	put_be64(footer + FOOTER_CURRENT_SIZE,
		 min_u64(n * block_size, VHD_SIZE_MAX));
	put_be32(footer + FOOTER_TYPE, VHD_TYPE_DYNAMIC);
	vhd_footer_seal(footer);
	put_be64(header + HEADER_DATA_OFFSET, VHD_NO_OFFSET);
	put_be64(header + HEADER_TABLE_OFFSET, TABLE_OFF);
	put_be32(header + HEADER_VERSION, VHD_VERSION);
	put_be32(header + HEADER_ENTRIES, (uint32_t)n);
	put_be32(header + HEADER_BLOCK_SIZE, block_size);
	put_be32(header + HEADER_CHECKSUM,
		 vhd_checksum(header, HEADER_SIZE, HEADER_CHECKSUM));
	sparse_poke(&bounds_file, footer, sizeof footer, 0);
	sparse_poke(&bounds_file, header, sizeof header, FOOTER_SIZE);
	vhd.n = n;
	vhd.first = (uint32_t)(round_up(end, 4096) / VHD_SECTOR);
	vhd.step = step;
	vhd.swap = swap;
	vhd.unused = unused;
	bounds_table.off = TABLE_OFF;
	bounds_table.end = round_up(end, SPARSE_PAGE);
	bounds_table.page = table_page;
	bounds_file.table = &bounds_table;
	end = unused ? bounds_table.end
		     : (vhd.first + (n + 1) * max_u64(step, 1)) * VHD_SECTOR +
			       MIB(1);
	sparse_poke(&bounds_file, footer, sizeof footer, round_up(end, 4096));
}

static void vhd_with_too_many_entries_is_refused_within_limits(void **state)
{
	struct image *img;
	struct io *io;

	(void)state;
	make_vhd(UINT32_MAX, 512, 0, 0, true);
	assert_ok(sparse_open(&bounds_file, "huge", false, &io));
	bounds_begin();
	assert_errno(image_open(io, NULL, &img), -EBADMSG);
	bounds_within("open", MEMORY_OPEN, 100);
	assert_non_null(strstr(error_text(), "number of table entries"));
	io_close(io);
}

static void largest_empty_vhd_stays_within_limits(void **state)
{
	struct extent e;
	struct image *img;

	(void)state;
	make_vhd(VHD_SIZE_MAX / MIB(2), MIB(2), 0, 0, true);
	bounds_begin();
	img = bounds_open(false);
	bounds_map_some(img);
	bounds_within("open", MEMORY_OPEN, 100);
	assert_ok(bounds_map(img, 0, img->size, &e));
	bounds_map_much(img, img->size);
	bounds_within("map of all", MEMORY_PAGES, 3000);
	assert_ok(image_close(img));
	bounds_write_last(3000);
	bounds_check(3000);
}

/* One call is short, because a lock is held during it. */
static void
one_map_call_with_the_smallest_blocks_stays_within_limits(void **state)
{
	struct extent e;
	struct image *img;

	(void)state;
	make_vhd(UINT64_C(1) << 25, 512, 0, 0, true);
	img = bounds_open(false);
	bounds_begin();
	assert_ok(bounds_map(img, 0, img->size, &e));
	bounds_within("one answer", MEMORY_PAGES, 100);
	assert_ok(image_close(img));
}

static void full_table_stays_within_limits(uint32_t step, unsigned swap)
{
	struct image *img;

	/* A block of 4 KiB with its bitmap takes 9 sectors. */
	make_vhd(UINT64_C(1) << 24, KIB(4), step, swap, false);
	bounds_begin();
	img = bounds_open(false);
	bounds_map_some(img);
	bounds_within("open", MEMORY_OPEN, 100);
	bounds_map_much(img, MIB(512));
	bounds_within("map of 512 MiB", MEMORY_PAGES, 2000);
	assert_ok(image_close(img));
	bounds_write_last(6000);
}

static void full_vhd_stays_within_limits(void **state)
{
	(void)state;
	full_table_stays_within_limits(9, 0);
	bounds_check(10000);
}

static void full_vhd_in_random_order_stays_within_limits(void **state)
{
	(void)state;
	full_table_stays_within_limits(9, 1);
}

static void full_vhd_with_gaps_stays_within_limits(void **state)
{
	(void)state;
	full_table_stays_within_limits(18, 0);
}

static void vhd_with_all_blocks_at_one_offset_stays_within_limits(void **state)
{
	(void)state;
	full_table_stays_within_limits(0, 0);
	bounds_check(20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			vhd_with_too_many_entries_is_refused_within_limits),
		cmocka_unit_test(largest_empty_vhd_stays_within_limits),
		cmocka_unit_test(
			one_map_call_with_the_smallest_blocks_stays_within_limits),
		cmocka_unit_test(full_vhd_stays_within_limits),
		cmocka_unit_test(full_vhd_in_random_order_stays_within_limits),
		cmocka_unit_test(full_vhd_with_gaps_stays_within_limits),
		cmocka_unit_test(
			vhd_with_all_blocks_at_one_offset_stays_within_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
