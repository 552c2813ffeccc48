/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logs made by hand: which entries are applied, and their effect.  Each log is
 * tested twice: opened for reading, and replayed on a copy.
 */
#include "config.h"

#include "unit/vhdx-tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"

enum { SECTOR = VHDX_LOG_SECTOR };
#define LOG_LEN M

static const struct guid log_guid = { { 1, 2, 3 } };
static const struct guid other_guid = { { 9, 9, 9 } };

/* A change: zeros if len is not 0, else a page. */
struct change {
	uint64_t off, len;
	const uint8_t *page;
};

struct entry {
	uint64_t at; /* in the log */
	uint64_t sequence;
	uint64_t tail;
	const struct guid *guid; /* null: the log's */
	uint64_t flushed, last;  /* 0: the file's size */
	unsigned n;
	struct change changes[4];
	bool torn; /* has a wrong checksum */
};

static void put_ring(struct vdisk *d, const uint8_t *buf, size_t len,
		     uint64_t at)
{
	for (size_t i = 0; i < len; i += SECTOR)
		mem_file_poke(&d->file, buf + i, SECTOR,
			      LOG_OFF + (at + i) % LOG_LEN);
}

static void put_change(uint8_t *desc, uint8_t *sector, const struct change *c,
		       uint64_t sequence)
{
	memcpy(desc, c->page ? "desc" : "zero", 4);
	put_le64(desc + VHDX_DESC_FILE_OFFSET, c->off);
	put_le64(desc + VHDX_DESC_SEQUENCE, sequence);
	if (!c->page) {
		put_le64(desc + VHDX_DESC_ZERO_LENGTH, c->len);
		return;
	}
	memcpy(desc + VHDX_DESC_LEADING, c->page, 8);
	memcpy(desc + VHDX_DESC_TRAILING, c->page + VHDX_PAGE - 4, 4);
	memcpy(sector, c->page, SECTOR);
	memcpy(sector, "data", 4);
	put_le32(sector + VHDX_DATA_SEQUENCE_HIGH, sequence >> 32);
	put_le32(sector + VHDX_DATA_SEQUENCE_LOW, (uint32_t)sequence);
}

/* Writes the entry; returns its length. */
static uint64_t put_entry(struct vdisk *d, const struct entry *e)
{
	uint8_t buf[8 * SECTOR] = "loge";
	size_t len = SECTOR;

	for (unsigned i = 0; i < e->n; i++) {
		put_change(buf + 64 + 32 * i, buf + len, &e->changes[i],
			   e->sequence);
		len += e->changes[i].page ? SECTOR : 0;
	}
	put_le32(buf + VHDX_ENTRY_LENGTH, len);
	put_le32(buf + VHDX_ENTRY_TAIL, e->tail);
	put_le64(buf + VHDX_ENTRY_SEQUENCE, e->sequence);
	put_le32(buf + VHDX_ENTRY_COUNT, e->n);
	guid_to_le(buf + VHDX_ENTRY_GUID, e->guid ? e->guid : &log_guid);
	put_le64(buf + VHDX_ENTRY_FLUSHED,
		 e->flushed ? e->flushed : d->file.size);
	put_le64(buf + VHDX_ENTRY_LAST, e->last ? e->last : d->file.size);
	put_le32(buf + VHDX_ENTRY_CRC,
		 crc32c_but(buf, len, VHDX_ENTRY_CRC) ^ e->torn);
	put_ring(d, buf, len, e->at);
	return len;
}

/*
 * An image with a log to replay and four blocks of 1 MiB.  The file has blocks
 * full of 'a' to 'd' at 4 to 7 MiB, which the BAT does not name.
 */
static void dirty_disk(struct vdisk *d)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = 4 * M,
					     .block_size = M };
	uint8_t page[4096];

	vdisk_create(d, &params);
	for (unsigned i = 0; i < 4 * 256; i++) {
		memset(page, 'a' + i / 256, sizeof page);
		mem_file_poke(&d->file, page, sizeof page, 4 * M + i * 4096);
	}
	for (int slot = 0; slot < 2; slot++) {
		uint8_t raw[16];

		guid_to_le(raw, &log_guid);
		mem_file_poke(&d->file, raw, sizeof raw,
			      VHDX_HEADER_OFFSET(slot) + VHDX_HEADER_LOG_GUID);
		vdisk_sum(d, VHDX_HEADER_OFFSET(slot), VHDX_HEADER_SIZE);
	}
}

/* A page of the BAT; text has a letter for each block, or '.'. */
static const uint8_t *bat(const char *text)
{
	static uint8_t ring[8][VHDX_PAGE];
	static unsigned next;
	uint8_t *page = ring[next++ % 8];

	memset(page, 0, VHDX_PAGE);
	for (unsigned i = 0; text[i]; i++)
		if (text[i] != '.')
			put_le64(page + 8 * i,
				 (4 + text[i] - 'a') * M | VHDX_PRESENT);
	/* Tests the leading and trailing bytes of a descriptor. */
	put_le64(page + VHDX_PAGE - 8, (uint64_t)text[0] << 20);
	return page;
}

static void expect_content(struct vdisk *d, const char *text)
{
	for (unsigned i = 0; i < 4; i++) {
		uint8_t byte;

		vdisk_read(d, &byte, i * M + 77, 1);
		assert_int_equal(byte, text[i] == '.' ? 0 : text[i]);
	}
}

/* Reads through the overlay, then after a replay, then after a reopen. */
static void expect_after_log(struct vdisk *d, const char *text)
{
	struct vdisk copy;

	vdisk_kill_copy(&copy, d);
	vdisk_open(d, false);
	assert_true(d->img->dirty);
	expect_content(d, text);
	vdisk_close(d);
	for (int i = 0; i < 2; i++) {
		vdisk_open(&copy, i == 0);
		assert_false(copy.img->dirty);
		expect_content(&copy, text);
		vdisk_close(&copy);
	}
	assert_int_equal(vdisk_check(&copy, false).damages, 0);
	vdisk_fini(&copy);
	vdisk_fini(d);
}

static struct change data(const char *text)
{
	return (struct change){ .off = BAT_OFF, .page = bat(text) };
}

static struct change zeros(uint64_t off, uint64_t len)
{
	return (struct change){ .off = off, .len = len };
}

static void data_entry_is_applied_and_replayed(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	put_entry(&d, &(struct entry){ .sequence = 5,
				       .n = 1,
				       .changes = { data("ab.d") } });
	expect_after_log(&d, "ab.d");
}

static void zero_entry_clears_pages(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	mem_file_poke(&d.file, bat("abcd"), VHDX_PAGE, BAT_OFF);
	put_entry(&d, &(struct entry){ .sequence = 5,
				       .n = 1,
				       .changes = { zeros(BAT_OFF, M) } });
	expect_after_log(&d, "....");
}

static void later_of_data_and_zeros_wins(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct vdisk d;

		dirty_disk(&d);
		put_entry(&d, &(struct entry){
				      .sequence = 5,
				      .n = 2,
				      .changes = { order ? data("abcd")
							 : zeros(BAT_OFF, M),
						   order ? zeros(BAT_OFF, M)
							 : data("abcd") } });
		expect_after_log(&d, order ? "...." : "abcd");
	}
}

static void later_entries_win(void **state)
{
	(void)state;
	struct vdisk d;
	uint64_t at = 0;

	dirty_disk(&d);
	at += put_entry(&d, &(struct entry){ .at = at,
					     .sequence = 5,
					     .n = 1,
					     .changes = { data("abcd") } });
	at += put_entry(&d, &(struct entry){ .at = at,
					     .sequence = 6,
					     .n = 1,
					     .changes = { data("d...") } });
	put_entry(&d, &(struct entry){ .at = at, .sequence = 7 });
	expect_after_log(&d, "d...");
}

static void entries_wrap_around_the_logs_end(void **state)
{
	(void)state;
	struct vdisk d;
	uint64_t at = LOG_LEN - 3 * SECTOR;

	dirty_disk(&d);
	at += put_entry(&d, &(struct entry){ .at = at,
					     .sequence = 8,
					     .tail = at,
					     .n = 1,
					     .changes = { data("aaaa") } });
	/* The descriptor sector is the log's last, the data its first. */
	put_entry(&d, &(struct entry){ .at = at,
				       .sequence = 9,
				       .tail = LOG_LEN - 3 * SECTOR,
				       .n = 1,
				       .changes = { data(".bcd") } });
	expect_after_log(&d, ".bcd");
}

static void only_entries_from_the_tail_are_replayed(void **state)
{
	(void)state;
	struct vdisk d;
	uint64_t at = 0, tail;
	uint8_t junk[VHDX_PAGE];

	dirty_disk(&d);
	memset(junk, 0xff, sizeof junk);
	at += put_entry(&d, &(struct entry){ .at = at,
					     .sequence = 5,
					     .n = 1,
					     .changes = { { .off = BAT_OFF,
							    .page = junk } } });
	tail = at;
	at += put_entry(
		&d, &(struct entry){ .at = at, .sequence = 6, .tail = tail });
	mem_file_poke(&d.file, bat("a..b"), VHDX_PAGE, BAT_OFF);
	put_entry(&d, &(struct entry){ .at = at, .sequence = 7, .tail = tail });
	expect_after_log(&d, "a..b");
}

static void entries_with_another_guid_are_ignored(void **state)
{
	(void)state;
	struct vdisk d;
	uint64_t at = 0;

	dirty_disk(&d);
	at += put_entry(&d, &(struct entry){ .at = at,
					     .sequence = 5,
					     .n = 1,
					     .changes = { data("abc.") } });
	put_entry(&d, &(struct entry){ .at = at,
				       .sequence = 6,
				       .guid = &other_guid,
				       .n = 1,
				       .changes = { data("dddd") } });
	expect_after_log(&d, "abc.");
}

static void sequence_with_the_higher_number_is_active(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	put_entry(&d, &(struct entry){ .at = 20 * SECTOR,
				       .sequence = 50,
				       .tail = 20 * SECTOR,
				       .n = 1,
				       .changes = { data("b...") } });
	put_entry(&d, &(struct entry){ .at = 0,
				       .sequence = 49,
				       .n = 1,
				       .changes = { data("c...") } });
	expect_after_log(&d, "b...");
}

static void torn_entry_is_ignored(void **state)
{
	(void)state;
	struct vdisk d;
	uint64_t at = 0;

	dirty_disk(&d);
	at += put_entry(&d, &(struct entry){ .at = at,
					     .sequence = 5,
					     .n = 1,
					     .changes = { data("abcd") } });
	put_entry(&d, &(struct entry){ .at = at,
				       .sequence = 6,
				       .n = 1,
				       .changes = { data("dcba") },
				       .torn = true });
	expect_after_log(&d, "abcd");
}

/* A data sector with an older number, in an entry with a valid checksum. */
static void data_sector_with_another_number_is_invalid(void **state)
{
	(void)state;
	struct vdisk d;
	uint64_t at = 0;

	dirty_disk(&d);
	at += put_entry(&d, &(struct entry){ .at = at,
					     .sequence = 5,
					     .n = 1,
					     .changes = { data("abcd") } });
	put_entry(&d, &(struct entry){ .at = at,
				       .sequence = 6,
				       .n = 1,
				       .changes = { data("dcba") } });
	vdisk_put32(&d, LOG_OFF + at + 2 * SECTOR - 4, 4);
	vdisk_sum(&d, LOG_OFF + at, 2 * SECTOR);
	expect_after_log(&d, "abcd");
}

static void sequence_without_its_tail_is_ignored(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	put_entry(&d, &(struct entry){ .at = 0,
				       .sequence = 5,
				       .n = 1,
				       .changes = { data("abcd") } });
	put_entry(&d, &(struct entry){ .at = 9 * SECTOR,
				       .sequence = 90,
				       .tail = 8 * SECTOR,
				       .n = 1,
				       .changes = { data("dddd") } });
	expect_after_log(&d, "abcd");
}

static void replay_extends_the_file(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	put_entry(&d, &(struct entry){ .sequence = 5,
				       .last = 20 * M,
				       .n = 1,
				       .changes = { data("abcd") } });
	/* A block in the extended part reads zeros. */
	vdisk_open(&d, false);
	expect_content(&d, "abcd");
	vdisk_close(&d);
	assert_int_equal(d.file.size, 8 * M);
	vdisk_open(&d, true);
	expect_content(&d, "abcd");
	vdisk_close(&d);
	assert_int_equal(d.file.size, 20 * M);
	vdisk_fini(&d);
}

static void expect_refused(struct vdisk *d, const char *text)
{
	struct vdisk before;
	uint8_t x[4096], y[4096];

	vdisk_kill_copy(&before, d);
	vdisk_open_fails(d, false, -EBADMSG, text);
	vdisk_open_fails(d, true, -EBADMSG, text);
	for (uint64_t off = 0; off < d->file.size; off += sizeof x) {
		mem_file_peek(&d->file, x, sizeof x, off);
		mem_file_peek(&before.file, y, sizeof y, off);
		assert_memory_equal(x, y, sizeof x);
	}
	assert_int_not_equal(vdisk_check(d, false).damages, 0);
	vdisk_fini(&before);
	vdisk_fini(d);
}

static void log_without_a_valid_entry_is_refused(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	expect_refused(&d, "no valid sequence of entries");
	dirty_disk(&d);
	put_entry(&d, &(struct entry){ .sequence = 5, .torn = true });
	expect_refused(&d, "no valid sequence of entries");
}

/* Windows logs a block before it extends the file. */
static void block_inside_the_logs_file_size_is_present(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	mem_file_resize(&d.file, 6 * M);
	put_entry(&d, &(struct entry){ .sequence = 5,
				       .flushed = 4 * M,
				       .last = 8 * M,
				       .n = 1,
				       .changes = { data("ab.d") } });
	vdisk_open(&d, false);
	expect_content(&d, "ab..");
	vdisk_close(&d);
	vdisk_open(&d, true);
	expect_content(&d, "ab..");
	vdisk_close(&d);
	assert_int_equal(d.file.size, 8 * M);
	/* Truncated after the replay, the file lacks the block. */
	mem_file_resize(&d.file, 6 * M);
	expect_refused(&d, "the file was truncated");
}

static void truncated_file_is_refused(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	put_entry(&d, &(struct entry){
			      .sequence = 5, .flushed = 9 * M, .last = 9 * M });
	expect_refused(&d, "at least 9437184 bytes");
}

static void invalid_file_size_is_refused(void **state)
{
	(void)state;
	struct vdisk d;

	dirty_disk(&d);
	put_entry(&d,
		  &(struct entry){ .sequence = 5, .last = UINT64_MAX - M + 1 });
	expect_refused(&d, "a file size below 2^63");
}

static void log_entries_for_headers_and_log_are_refused(void **state)
{
	static const uint64_t offs[] = { 64 * 1024, 128 * 1024, LOG_OFF,
					 LOG_OFF + LOG_LEN - 4096,
					 BAT_OFF + 512 };
	struct vdisk d;
	(void)state;

	for (unsigned i = 0; i < 5; i++) {
		struct change c = data("abcd");

		c.off = offs[i];
		dirty_disk(&d);
		put_entry(&d, &(struct entry){ .sequence = 5,
					       .n = 1,
					       .changes = { c } });
		expect_refused(&d,
			       "changes of whole pages at 192 KiB or above");
	}
	dirty_disk(&d);
	put_entry(&d, &(struct entry){ .sequence = 5,
				       .n = 1,
				       .changes = { zeros(M / 2, 8 * M) } });
	expect_refused(&d, "changes of whole pages at 192 KiB or above");
	dirty_disk(&d);
	put_entry(&d,
		  &(struct entry){ .sequence = 5,
				   .n = 1,
				   .changes = { zeros(BAT_OFF, -BAT_OFF) } });
	expect_refused(&d, "changes of whole pages at 192 KiB or above");
}

/* Region table and metadata may be in the log, too. */
static void tables_in_the_log_are_read(void **state)
{
	uint8_t region[VHDX_PAGE], meta[VHDX_PAGE], zero[VHDX_PAGE] = { 0 };
	struct vdisk d;
	(void)state;

	dirty_disk(&d);
	mem_file_peek(&d.file, region, sizeof region,
		      VHDX_REGION_TABLE_OFFSET(0));
	mem_file_peek(&d.file, meta, sizeof meta, META_OFF);
	mem_file_poke(&d.file, zero, sizeof zero, VHDX_REGION_TABLE_OFFSET(0));
	mem_file_poke(&d.file, zero, sizeof zero, VHDX_REGION_TABLE_OFFSET(1));
	mem_file_poke(&d.file, zero, sizeof zero, META_OFF);
	put_entry(
		&d,
		&(struct entry){
			.sequence = 5,
			.n = 4,
			.changes = { { VHDX_REGION_TABLE_OFFSET(0), 0, region },
				     { VHDX_REGION_TABLE_OFFSET(1), 0, region },
				     { META_OFF, 0, meta },
				     data("dcba") } });
	expect_after_log(&d, "dcba");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_entry_is_applied_and_replayed),
		cmocka_unit_test(zero_entry_clears_pages),
		cmocka_unit_test(later_of_data_and_zeros_wins),
		cmocka_unit_test(later_entries_win),
		cmocka_unit_test(entries_wrap_around_the_logs_end),
		cmocka_unit_test(only_entries_from_the_tail_are_replayed),
		cmocka_unit_test(entries_with_another_guid_are_ignored),
		cmocka_unit_test(sequence_with_the_higher_number_is_active),
		cmocka_unit_test(torn_entry_is_ignored),
		cmocka_unit_test(data_sector_with_another_number_is_invalid),
		cmocka_unit_test(sequence_without_its_tail_is_ignored),
		cmocka_unit_test(replay_extends_the_file),
		cmocka_unit_test(log_without_a_valid_entry_is_refused),
		cmocka_unit_test(invalid_file_size_is_refused),
		cmocka_unit_test(block_inside_the_logs_file_size_is_present),
		cmocka_unit_test(truncated_file_is_refused),
		cmocka_unit_test(log_entries_for_headers_and_log_are_refused),
		cmocka_unit_test(tables_in_the_log_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
