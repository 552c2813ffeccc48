/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check of VHDX files: findings, repairs, and damage that stays. */
#include "config.h"

#include "unit/vhdx-spoil.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"

/* Eight blocks of 1 MiB; 0 to 2 are at 4 to 6 MiB in the file. */
static void make(struct vdisk *d, bool child)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = 8 * M,
					     .block_size = M };
	uint64_t seed = 1;

	if (child)
		vdisk_create_child(d, &params, &seed);
	else
		vdisk_create(d, &params);
	vdisk_open(d, true);
	vdisk_write(d, 0, M, 'a');
	vdisk_write(d, M, M, 'b');
	vdisk_write(d, 2 * M, M, 'c');
	vdisk_close(d);
	vdisk_expect_undamaged(d);
}

static void copy_file(struct vdisk *to, const struct vdisk *from)
{
	vdisk_kill_copy(to, from);
}

static void assert_unchanged(const struct vdisk *d, const struct vdisk *before)
{
	uint8_t x[4096], y[4096];

	assert_int_equal(d->file.size, before->file.size);
	for (uint64_t off = 0; off < d->file.size; off += sizeof x) {
		mem_file_peek(&d->file, x, sizeof x, off);
		mem_file_peek(&before->file, y, sizeof y, off);
		assert_memory_equal(x, y, sizeof x);
	}
}

static void expect_finding(const struct found *found, const char *text)
{
	if (strstr(found->first, text))
		return;
	print_error("expected \"%s\" in: %s\n", text, found->first);
	_fail(__FILE__, __LINE__);
}

/* A check changes nothing; a repair removes all damage, and the disk equals the
 * model. */
static void expect_repair(struct vdisk *d, unsigned damages, unsigned leaks,
			  const char *text)
{
	struct guid id = vdisk_header_guid(d, VHDX_HEADER_DATA_GUID), after;
	struct vdisk before;
	struct found found;

	copy_file(&before, d);
	found = vdisk_check(d, false);
	assert_int_equal(found.damages, damages);
	assert_int_equal(found.leaks, leaks);
	assert_int_equal(found.repaired, 0);
	expect_finding(&found, text);
	assert_unchanged(d, &before);
	vdisk_fini(&before);

	found = vdisk_check(d, true);
	assert_int_equal(found.damages, damages);
	assert_int_equal(found.leaks, leaks);
	assert_int_equal(found.repaired, damages + leaks);
	vdisk_expect_undamaged(d);
	after = vdisk_header_guid(d, VHDX_HEADER_DATA_GUID);
	assert_true(guid_equal(&id, &after));
	vdisk_open(d, true);
	vdisk_compare(d);
	vdisk_write(d, 5 * M, 512, 'z');
	vdisk_reopen_and_compare(d);
	vdisk_fini(d);
}

/* Check and repair report it, and change nothing. */
static void expect_report(struct vdisk *d, unsigned damages, const char *text)
{
	struct vdisk before;
	struct found found;

	copy_file(&before, d);
	for (int repair = 0; repair < 2; repair++) {
		found = vdisk_check(d, repair);
		assert_int_equal(found.damages, damages);
		assert_int_equal(found.repaired, 0);
		expect_finding(&found, text);
	}
	assert_unchanged(d, &before);
	vdisk_fini(&before);
	vdisk_fini(d);
}

static void undamaged_image_is_not_changed(void **state)
{
	(void)state;
	for (int child = 0; child < 2; child++) {
		struct vdisk d;
		struct found found;

		make(&d, child);
		mem_file_reset_counters(&d.file);
		found = vdisk_check(&d, true);
		assert_int_equal(found.damages + found.leaks, 0);
		assert_int_equal(
			d.file.n_pwrite + d.file.n_resize + d.file.n_punch, 0);
		vdisk_fini(&d);
	}
}

static void invalid_header_is_rewritten(void **state)
{
	(void)state;
	for (int slot = 0; slot < 2; slot++) {
		struct vdisk d;

		make(&d, false);
		/* The valid copy must be the current one. */
		vdisk_put64(&d,
			    VHDX_HEADER_OFFSET(!slot) + VHDX_HEADER_SEQUENCE,
			    1000);
		spoil_sum_headers(&d);
		vdisk_put32(&d, VHDX_HEADER_OFFSET(slot) + 200, 1);
		expect_repair(&d, 1, 0, slot ? "header 2" : "header 1");
	}
}

static void invalid_region_table_is_rewritten(void **state)
{
	(void)state;
	for (int slot = 0; slot < 2; slot++) {
		struct vdisk d;

		make(&d, false);
		vdisk_put32(&d, VHDX_REGION_TABLE_OFFSET(slot) + 60000, 1);
		expect_repair(&d, 1, 0,
			      slot ? "region table 2" : "region table 1");
	}
}

static void differing_region_table_is_rewritten(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, false);
	vdisk_put32(&d, VHDX_REGION_TABLE_OFFSET(1) + 60000, 1);
	vdisk_sum(&d, VHDX_REGION_TABLE_OFFSET(1), VHDX_REGION_SIZE);
	expect_repair(&d, 1, 0, "region table 2");
}

/* Makes a file with a log to replay, as a kill leaves it. */
static void make_killed(struct vdisk *killed)
{
	struct vdisk d;

	make(&d, false);
	vdisk_open(&d, true);
	vdisk_write(&d, 4 * M, M, 'n');
	vdisk_flush(&d);
	copy_file(killed, &d);
	vdisk_fini(&d);
}

static void log_to_replay_is_no_damage(void **state)
{
	(void)state;
	struct vdisk d, before;
	struct found found;

	make_killed(&d);
	copy_file(&before, &d);
	found = vdisk_check(&d, false);
	assert_int_equal(found.damages + found.leaks, 0);
	assert_true(found.dirty);
	assert_string_equal(found.pending,
			    "1 log entries are replayed when it is opened");
	assert_unchanged(&d, &before);
	vdisk_fini(&before);
	vdisk_fini(&d);
}

static void repair_replays_the_log(void **state)
{
	(void)state;
	struct found found;
	struct vdisk d;

	make_killed(&d);
	found = vdisk_check(&d, true);
	assert_int_equal(found.damages + found.leaks, 0);
	assert_false(found.dirty);
	assert_string_equal(found.pending, "1 log entries were replayed");
	found = vdisk_check(&d, false);
	assert_false(found.dirty);
	assert_string_equal(found.pending, "");
	vdisk_open(&d, false);
	assert_false(d.img->dirty);
	vdisk_compare(&d);
	vdisk_fini(&d);
}

static void invalid_header_with_a_log_is_repaired(void **state)
{
	(void)state;
	struct vdisk d;

	make_killed(&d);
	vdisk_put32(&d, VHDX_HEADER_OFFSET(!vdisk_slot(&d)) + 200, 1);
	expect_repair(&d, 1, 0, "header");
}

static void reserved_bits_of_an_entry_are_cleared(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, false);
	vdisk_put64(&d, BAT_OFF + 8, (5 * M) | 0x12340 | VHDX_PRESENT);
	expect_repair(&d, 1, 0, "reserved bits");
}

/* An invalid entry looks like a truncated file. */
static void entry_behind_the_end_is_not_changed(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, false);
	vdisk_put64(&d, BAT_OFF + 8 * 6, (900 * M) | VHDX_PRESENT);
	expect_report(&d, 1, "BAT entry 6");
}

static void soft_anchor_behind_the_end_is_cleared(void **state)
{
	static const unsigned states[] = { VHDX_UNDEFINED, VHDX_UNMAPPED,
					   VHDX_UNMAPPED_DRAFT };
	(void)state;

	for (unsigned i = 0; i < 3; i++) {
		struct vdisk d;

		make(&d, false);
		vdisk_put64(&d, BAT_OFF + 8 * 6, (900 * M) | states[i]);
		expect_repair(&d, 1, 0, "BAT entry 6");
	}
}

/* A file truncated anywhere behind its tables does not open, and a repair does
 * not change it, also with other damage. */
static void truncated_file_is_not_changed(void **state)
{
	(void)state;
	for (uint64_t size = 4 * M; size < 7 * M; size += 127 * 4096) {
		struct vdisk d;

		make(&d, false);
		mem_file_resize(&d.file, size);
		vdisk_open_fails(&d, false, -EBADMSG, "the file was truncated");
		vdisk_put32(&d, VHDX_REGION_TABLE_OFFSET(1) + 60000, 1);
		expect_report(&d, 1 + div_up(7 * M - size, M),
			      "region table 2");
	}
}

static void truncated_file_with_a_log_is_not_changed(void **state)
{
	(void)state;
	for (uint64_t size = 4 * M; size < 8 * M; size += 127 * 4096) {
		struct vdisk d;

		make_killed(&d);
		mem_file_resize(&d.file, size);
		vdisk_open_fails(&d, false, -EBADMSG, "as the log says");
		expect_report(&d, 1, "as the log says");
	}
}

static void leaks_are_freed(void **state)
{
	(void)state;
	struct found found;
	struct vdisk d;

	/* One between blocks, and one at the end. */
	make(&d, false);
	vdisk_put64(&d, BAT_OFF, 0);
	memset(d.model, 0, M);
	mem_file_resize(&d.file, 9 * M);
	found = vdisk_check(&d, false);
	assert_int_equal(found.leaked, 3 * M);
	expect_repair(&d, 0, 2, "no leaked space");
}

static void holes_between_blocks_are_no_leak(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, false);
	vdisk_open(&d, true);
	vdisk_zero(&d, M, M, ZERO_PUNCH);
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void leak_stays_if_other_damage_stays(void **state)
{
	(void)state;
	struct found found;
	struct vdisk d;

	make(&d, false);
	mem_file_resize(&d.file, 9 * M);
	vdisk_put64(&d, BAT_OFF + 8 * 6, (8 * M) | 4);
	found = vdisk_check(&d, true);
	assert_int_equal(found.damages, 1);
	assert_int_equal(found.repaired, 0);
	assert_int_equal(d.file.size, 9 * M);
	vdisk_fini(&d);
}

static void overlapping_blocks_are_reported(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, false);
	vdisk_put64(&d, BAT_OFF + 8 * 6, (5 * M) | VHDX_PRESENT);
	expect_report(&d, 1, "one BAT entry for each block");
}

static void invalid_entries_are_reported(void **state)
{
	static const uint64_t bad[] = {
		(4 * M) | 4,      (4 * M) | VHDX_PARTIAL, VHDX_PRESENT,
		M | VHDX_PRESENT, BAT_OFF | VHDX_PRESENT,
	};
	(void)state;

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct vdisk d;

		make(&d, false);
		vdisk_put64(&d, BAT_OFF + 8 * 6, bad[i]);
		expect_report(&d, 1, "BAT entry 6");
	}
}

static void partial_block_without_a_bitmap_is_reported(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, true);
	vdisk_put64(&d, BAT_OFF, (4 * M) | VHDX_PARTIAL);
	expect_report(&d, 1, "a sector bitmap");
}

static void damage_that_prevents_an_open_is_reported(void **state)
{
	static const struct {
		uint64_t off;
		const char *text;
	} bad[] = {
		{ META_OFF, "metadata table" },
		{ META_OFF + VHDX_META_RESERVED, "metadata table" },
		{ META_OFF + 32 + 28, "metadata item" },
		{ META_OFF + 65536 + 1, "block size" },
	};
	(void)state;

	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct vdisk d;

		make(&d, false);
		vdisk_put32(&d, bad[i].off, 0x12345678);
		expect_report(&d, 1, bad[i].text);
	}
}

static void two_invalid_copies_are_reported(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, false);
	vdisk_put32(&d, VHDX_HEADER_OFFSET(0) + 200, 1);
	vdisk_put32(&d, VHDX_HEADER_OFFSET(1) + 200, 1);
	expect_report(&d, 1, "headers");
	make(&d, false);
	vdisk_put32(&d, VHDX_REGION_TABLE_OFFSET(0) + 200, 1);
	vdisk_put32(&d, VHDX_REGION_TABLE_OFFSET(1) + 200, 1);
	expect_report(&d, 1, "region tables");
}

/* A header is repaired even if other damage stays. */
static void invalid_header_is_repaired_beside_other_damage(void **state)
{
	(void)state;
	struct found found;
	struct vdisk d;

	make(&d, false);
	vdisk_put64(&d, META_OFF, 0);
	vdisk_put32(&d, VHDX_HEADER_OFFSET(!vdisk_slot(&d)) + 200, 1);
	found = vdisk_check(&d, true);
	assert_int_equal(found.damages, 2);
	assert_int_equal(found.repaired, 1);
	expect_report(&d, 1, "metadata table");
}

static void unsupported_file_is_an_error(void **state)
{
	(void)state;
	struct check check = { 0 };
	struct vdisk d;
	struct io *io;

	make(&d, false);
	spoil_add_region(&d, 20 * M, M, 1);
	assert_ok(io_mem_open(&d.file, "d.vhdx", false, &io));
	assert_errno(image_check(io, &check), -EOPNOTSUPP);
	io_close(io);
	vdisk_fini(&d);
}

static void ignore(struct check *check, const struct finding *finding)
{
	(void)check;
	(void)finding;
}

/* A repair that fails at its nth access, and one that does not. */
static int repair_twice(int n)
{
	struct check check = { .repair = true, .report = ignore };
	struct vdisk d, killed;
	struct found found;
	struct io *io;
	int r;

	make(&d, false);
	vdisk_open(&d, true);
	vdisk_write(&d, 4 * M, M, 'n');
	vdisk_flush(&d);
	copy_file(&killed, &d);
	vdisk_fini(&d);
	vdisk_put32(&killed, VHDX_REGION_TABLE_OFFSET(1) + 60000, 1);
	mem_file_resize(&killed.file, 9 * M);
	assert_ok(io_mem_open(&killed.file, "d.vhdx", true, &io));
	killed.file.fail_after = n;
	killed.file.fail_code = -EIO;
	r = image_check(io, &check);
	killed.file.fail_after = -1;
	io_close(io);
	found = vdisk_check(&killed, true);
	assert_int_equal(found.repaired, found.damages + found.leaks);
	vdisk_expect_undamaged(&killed);
	vdisk_open(&killed, false);
	vdisk_compare(&killed);
	vdisk_fini(&killed);
	return r;
}

static void failed_repair_can_be_repeated(void **state)
{
	(void)state;
	int n = 0;

	while (repair_twice(n) < 0)
		n++;
	assert_in_range(n, 5, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(undamaged_image_is_not_changed),
		cmocka_unit_test(invalid_header_is_rewritten),
		cmocka_unit_test(invalid_region_table_is_rewritten),
		cmocka_unit_test(differing_region_table_is_rewritten),
		cmocka_unit_test(log_to_replay_is_no_damage),
		cmocka_unit_test(repair_replays_the_log),
		cmocka_unit_test(invalid_header_with_a_log_is_repaired),
		cmocka_unit_test(reserved_bits_of_an_entry_are_cleared),
		cmocka_unit_test(entry_behind_the_end_is_not_changed),
		cmocka_unit_test(soft_anchor_behind_the_end_is_cleared),
		cmocka_unit_test(truncated_file_is_not_changed),
		cmocka_unit_test(truncated_file_with_a_log_is_not_changed),
		cmocka_unit_test(leaks_are_freed),
		cmocka_unit_test(holes_between_blocks_are_no_leak),
		cmocka_unit_test(leak_stays_if_other_damage_stays),
		cmocka_unit_test(overlapping_blocks_are_reported),
		cmocka_unit_test(invalid_entries_are_reported),
		cmocka_unit_test(partial_block_without_a_bitmap_is_reported),
		cmocka_unit_test(damage_that_prevents_an_open_is_reported),
		cmocka_unit_test(two_invalid_copies_are_reported),
		cmocka_unit_test(
			invalid_header_is_repaired_beside_other_damage),
		cmocka_unit_test(unsupported_file_is_an_error),
		cmocka_unit_test(failed_repair_can_be_repeated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
