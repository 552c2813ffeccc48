/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory and time that the largest and the most hostile VHDX files cost. */
#include "config.h"

#include "unit/bounds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "format/registry.h"
#include "format/vhdx-layout.h"
#include "format/vhdx.h"

enum { LOG_OFF = 1 << 20, META_OFF = 2 << 20, BAT_OFF = 3 << 20 };

static struct {
	uint64_t ratio, n_blocks, first; /* where blocks begin in the file */
	uint64_t step;                   /* from block to block */
	unsigned swap;                   /* a permutation of the blocks */
	unsigned state;
} bat;

static void bat_page(uint8_t *page, uint64_t file_off)
{
	uint64_t i = (file_off - BAT_OFF) / VHDX_BAT_ENTRY;

	for (unsigned k = 0; k < VHDX_BAT_PER_PAGE; k++, i++) {
		uint64_t chunk = i / (bat.ratio + 1);
		uint64_t block = i - chunk, entry = 0;

		if (i % (bat.ratio + 1) == bat.ratio)
			entry = bat.state == VHDX_PARTIAL
					? (bat.first + chunk * MIB(1)) |
						  VHDX_PRESENT
					: 0;
		else if (block < bat.n_blocks - 1)
			entry = (bat.first + bat.n_blocks * MIB(1) +
				 (block ^ bat.swap) * bat.step) |
				bat.state;
		put_le64(page + k * VHDX_BAT_ENTRY, entry);
	}
}

static void make_vhdx(enum image_type type, uint64_t size)
{
	static struct sparse parent_file;
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = size,
				       .block_size = MIB(1) };
	struct image *parent;
	struct io *io;

	sparse_reset(&bounds_file);
	sparse_reset(&parent_file);
	if (type == IMAGE_DIFFERENCING) {
		assert_ok(sparse_open(&parent_file, "parent", true, &io));
		assert_ok(image_create(io, &vhdx_ops, &params));
		assert_ok(image_open(io, &vhdx_ops, &parent));
		params.type = type;
		params.parent = parent;
		params.parent_relative = "./parent";
		params.parent_absolute = "/parent";
	}
	assert_ok(sparse_open(&bounds_file, "huge", true, &io));
	assert_ok(image_create(io, &vhdx_ops, &params));
	io_close(io);
	if (type == IMAGE_DIFFERENCING)
		assert_ok(image_close(parent));
}

/* A table in which all blocks but the last are allocated. */
static void make_full_vhdx(enum image_type type, uint64_t size, uint64_t step,
			   unsigned swap)
{
	uint64_t n = size / MIB(1);

	make_vhdx(type, size);
	bat.ratio = VHDX_CHUNK_SECTORS * 512 / MIB(1);
	bat.n_blocks = n;
	bat.first = bounds_file.size;
	bat.step = step;
	bat.swap = swap;
	bat.state = type == IMAGE_DIFFERENCING ? VHDX_PARTIAL : VHDX_PRESENT;
	bounds_table.off = BAT_OFF;
	bounds_table.end =
		BAT_OFF + round_up((n + n / bat.ratio) * 8, SPARSE_PAGE);
	bounds_table.page = bat_page;
	bounds_file.table = &bounds_table;
	sparse_resize(&bounds_file, bat.first + n * MIB(1) + n * step);
}

static void largest_empty_vhdx_stays_within_limits(void **state)
{
	struct image *img;

	(void)state;
	make_vhdx(IMAGE_DYNAMIC, TIB(64));
	bounds_begin();
	img = bounds_open(false);
	bounds_map_some(img);
	bounds_within("open", MEMORY_OPEN, 100);
	assert_ok(image_close(img));
	bounds_begin();
	img = bounds_open(false);
	bounds_map_much(img, img->size);
	bounds_within("map of all", MEMORY_PAGES, 6000);
	assert_ok(image_close(img));
	bounds_write_last(3000);
	bounds_check(3000);
}

static void largest_full_vhdx_stays_within_limits(void **state)
{
	struct image *img;

	(void)state;
	make_full_vhdx(IMAGE_DYNAMIC, TIB(64), MIB(1), 0);
	bounds_begin();
	img = bounds_open(false);
	bounds_map_some(img);
	/* The open reads the table once, to detect a truncated file. */
	bounds_within("open", MEMORY_OPEN, 3000);
	bounds_map_much(img, img->size);
	bounds_within("map of all", MEMORY_PAGES, 9000);
	assert_ok(image_close(img));
	bounds_write_last(6000);
	bounds_check(6000);
}

/* Blocks that are neighbours in the table are never neighbours in the file. */
static void full_vhdx_in_random_order_stays_within_limits(void **state)
{
	(void)state;
	make_full_vhdx(IMAGE_DYNAMIC, TIB(16), MIB(1), 1);
	bounds_write_last(6000);
	bounds_check(6000);
}

/* Between all blocks is a hole. */
static void full_vhdx_with_gaps_stays_within_limits(void **state)
{
	(void)state;
	make_full_vhdx(IMAGE_DYNAMIC, TIB(16), MIB(2), 0);
	bounds_write_last(6000);
	bounds_check(6000);
}

static void vhdx_with_all_blocks_at_one_offset_stays_within_limits(void **state)
{
	(void)state;
	make_full_vhdx(IMAGE_DYNAMIC, TIB(16), 0, 0);
	sparse_resize(&bounds_file, bounds_file.size + MIB(1));
	bounds_write_last(6000);
	bounds_check(20000);
}

/* Reads 64 MiB of sector bitmaps, of 16 GiB. */
static void vhdx_child_with_all_bitmaps_stays_within_limits(void **state)
{
	struct image *img;

	(void)state;
	make_full_vhdx(IMAGE_DIFFERENCING, TIB(64), MIB(1), 0);
	bounds_begin();
	img = bounds_open(false);
	bounds_map_some(img);
	bounds_within("open", MEMORY_OPEN, 3000);
	bounds_map_much(img, GIB(256));
	bounds_within("map", MEMORY_PAGES, 3000);
	assert_ok(image_close(img));
	bounds_write_last(10000);
}

/* --- VHDX logs --- */

static const uint8_t log_guid[16] = { 1, 2, 3 };
#define FAR_LOG GIB(4)

/* Sets a log of len bytes at 4 GiB in the headers. */
static void set_log(uint32_t len)
{
	make_vhdx(IMAGE_DYNAMIC, GIB(1));
	for (int slot = 0; slot < 2; slot++) {
		uint64_t off = VHDX_HEADER_OFFSET(slot);
		uint8_t h[VHDX_HEADER_SIZE];

		sparse_peek(&bounds_file, h, sizeof h, off);
		memcpy(h + VHDX_HEADER_LOG_GUID, log_guid, sizeof log_guid);
		put_le32(h + VHDX_HEADER_LOG_LENGTH, len);
		put_le64(h + VHDX_HEADER_LOG_OFFSET, FAR_LOG);
		put_le32(h + VHDX_HEADER_CRC, crc32c_but(h, sizeof h, 4));
		sparse_poke(&bounds_file, h, sizeof h, off);
	}
	sparse_resize(&bounds_file, FAR_LOG + len);
}

static void entry_header(uint8_t *h, uint32_t len, uint64_t sequence,
			 uint32_t n_desc)
{
	memcpy(h, VHDX_LOG_SIGNATURE, 4);
	put_le32(h + VHDX_ENTRY_LENGTH, len);
	put_le32(h + VHDX_ENTRY_TAIL, 0);
	put_le64(h + VHDX_ENTRY_SEQUENCE, sequence);
	put_le32(h + VHDX_ENTRY_COUNT, n_desc);
	memcpy(h + VHDX_ENTRY_GUID, log_guid, sizeof log_guid);
	put_le64(h + VHDX_ENTRY_FLUSHED, MIB(1));
	put_le64(h + VHDX_ENTRY_LAST, FAR_LOG + (128 << 20));
}

static void log_opens(int code, uint64_t ms)
{
	struct image *img = NULL;
	struct io *io;

	assert_ok(sparse_open(&bounds_file, "log", true, &io));
	bounds_begin();
	assert_errno(image_open(io, NULL, &img), code);
	bounds_within("open", MEMORY_LOG, ms);
	if (code == 0)
		assert_ok(image_close(img));
	else
		io_close(io);
}

static void entry_as_large_as_the_largest_log_stays_within_limits(void **state)
{
	uint8_t h[VHDX_ENTRY_HEADER_SIZE] = { 0 };

	(void)state;
	set_log(VHDX_LOG_MAX);
	entry_header(h, VHDX_LOG_MAX, 5, 1);
	sparse_poke(&bounds_file, h, sizeof h, FAR_LOG);
	log_opens(-EBADMSG, 10000);
}

static void entry_with_the_most_descriptors_stays_within_limits(void **state)
{
	uint8_t h[VHDX_ENTRY_HEADER_SIZE] = { 0 };

	(void)state;
	set_log(VHDX_LOG_MAX);
	entry_header(h, VHDX_LOG_MAX, 5, (VHDX_LOG_MAX - 64) / 32);
	sparse_poke(&bounds_file, h, sizeof h, FAR_LOG);
	log_opens(-EBADMSG, 10000);
}

/* A log of two entries: pages of data, and then many zeros. */
enum { DATA_DESCS = 1500 };
enum {
	DATA_AREA = (64 + 32 * DATA_DESCS + 4095) / 4096,
	DATA_PAGES = DATA_AREA + DATA_DESCS,
};

static uint32_t zero_descs, zero_pages, log_crc[2];

static void put_desc(uint8_t *d, uint64_t i, uint64_t sequence)
{
	memcpy(d, sequence == 5 ? VHDX_LOG_DESC : VHDX_LOG_ZERO, 4);
	put_le64(d + VHDX_DESC_FILE_OFFSET,
		 GIB(sequence == 5 ? 1 : 2) + i * VHDX_PAGE % GIB(1));
	put_le64(d + VHDX_DESC_SEQUENCE, sequence);
	if (sequence == 6)
		put_le64(d + VHDX_DESC_ZERO_LENGTH, VHDX_PAGE);
}

/* A descriptor has 32 bytes; the header takes the space of two. */
static void desc_page(uint8_t *page, uint64_t number, uint64_t sequence,
		      uint64_t n_desc)
{
	for (uint64_t k = 0; k < 128; k++) {
		uint64_t i = number * 128 + k;

		if (i >= 2 && i - 2 < n_desc)
			put_desc(page + 32 * k, i - 2, sequence);
	}
	if (number)
		return;
	entry_header(page,
		     (uint32_t)(sequence == 5 ? DATA_PAGES : zero_pages) * 4096,
		     sequence, (uint32_t)n_desc);
	put_le32(page + VHDX_ENTRY_CRC, log_crc[sequence - 5]);
}

static void log_page(uint8_t *page, uint64_t file_off)
{
	uint64_t number = (file_off - FAR_LOG) / VHDX_LOG_SECTOR;

	memset(page, 0, SPARSE_PAGE);
	if (number < DATA_AREA) {
		desc_page(page, number, 5, DATA_DESCS);
	} else if (number < DATA_PAGES) {
		memcpy(page, VHDX_LOG_DATA, 4);
		put_le32(page + VHDX_DATA_SEQUENCE_LOW, 5);
	} else if (number < DATA_PAGES + zero_pages) {
		desc_page(page, number - DATA_PAGES, 6, zero_descs);
	}
}

static void sum_log(unsigned which, uint64_t page, uint64_t n_pages)
{
	uint8_t *buf = malloc(n_pages * SPARSE_PAGE);

	assert_non_null(buf);
	sparse_peek(&bounds_file, buf, n_pages * SPARSE_PAGE,
		    FAR_LOG + page * SPARSE_PAGE);
	log_crc[which] = crc32c_but(buf, n_pages * SPARSE_PAGE, VHDX_ENTRY_CRC);
	free(buf);
}

static void make_log_of_zeros(uint32_t n)
{
	zero_descs = n;
	zero_pages = (64 + 32 * n + 4095) / 4096;
	set_log(64 << 20);
	bounds_table.off = FAR_LOG;
	bounds_table.end = FAR_LOG + (64 << 20);
	bounds_table.page = log_page;
	bounds_file.table = &bounds_table;
	sum_log(0, 0, DATA_PAGES);
	sum_log(1, DATA_PAGES, zero_pages);
}

static void log_of_many_zeros_after_data_stays_within_limits(void **state)
{
	(void)state;
	make_log_of_zeros(1 << 14);
	log_opens(0, 1500);
}

/* An entry with too many descriptors is an error; if it was ignored the image
 * would open with its content before the log. */
static void log_of_a_million_zeros_after_data_is_refused(void **state)
{
	(void)state;
	make_log_of_zeros(1 << 20);
	log_opens(-EBADMSG, 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(largest_empty_vhdx_stays_within_limits),
		cmocka_unit_test(largest_full_vhdx_stays_within_limits),
		cmocka_unit_test(full_vhdx_in_random_order_stays_within_limits),
		cmocka_unit_test(full_vhdx_with_gaps_stays_within_limits),
		cmocka_unit_test(
			vhdx_with_all_blocks_at_one_offset_stays_within_limits),
		cmocka_unit_test(
			vhdx_child_with_all_bitmaps_stays_within_limits),
		cmocka_unit_test(
			entry_as_large_as_the_largest_log_stays_within_limits),
		cmocka_unit_test(
			entry_with_the_most_descriptors_stays_within_limits),
		cmocka_unit_test(
			log_of_many_zeros_after_data_stays_within_limits),
		cmocka_unit_test(log_of_a_million_zeros_after_data_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
