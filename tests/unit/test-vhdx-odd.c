/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unusual but valid images: they open, and unknown parts are kept.  A changed
 * byte anywhere causes no crash. */
#include "config.h"

#include "unit/vhdx-spoil.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/registry.h"

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
	mem_file_resize(&d->file, 8 * M);
}

static void ignore(struct check *check, const struct finding *finding)
{
	(void)check;
	(void)finding;
}

/* Opens, maps, checks and repairs a file with any content. */
static void try_all(struct vdisk *d)
{
	struct check check = { .repair = true, .report = ignore };
	struct mem_file copy;
	struct image *img;
	struct io *io;
	struct extent e;

	assert_ok(io_mem_open(&d->file, "x", false, &io));
	if (image_open(io, NULL, &img) == 0) {
		image_map(img, 0, min_u64(img->size, M), &e);
		image_close(img);
	} else {
		io_close(io);
	}
	mem_file_init(&copy);
	mem_file_copy(&copy, &d->file);
	assert_ok(io_mem_open(&copy, "x", true, &io));
	image_check(io, &check);
	io_close(io);
	mem_file_fini(&copy);
}

/* Changes each byte of the structures in turn. */
static void changed_byte_causes_no_crash(void **state)
{
	(void)state;
	static const struct {
		uint64_t off, len;
	} parts[] = {
		{ 64 * 1024, 80 },      { 192 * 1024, 96 },
		{ 2 * M, 32 + 6 * 32 }, { 2 * M + 65536, 80 + 700 },
		{ 3 * M, 16 },
	};
	struct vdisk d;

	make(&d, true);
	for (unsigned p = 0; p < 5; p++)
		for (uint64_t i = 0; i < parts[p].len; i++) {
			uint8_t was, now;
			uint64_t off = parts[p].off + i;

			mem_file_peek(&d.file, &was, 1, off);
			now = was ^ (1 << i % 8);
			mem_file_poke(&d.file, &now, 1, off);
			spoil_sum_headers(&d);
			spoil_sum_regions(&d);
			try_all(&d);
			mem_file_poke(&d.file, &was, 1, off);
			spoil_sum_headers(&d);
			spoil_sum_regions(&d);
		}
	vdisk_open(&d, false);
	vdisk_compare(&d);
	vdisk_fini(&d);
}

/* The changed file is valid: it opens. */
static void expect_opens(void (*spoil)(struct vdisk *d))
{
	struct vdisk d;

	make(&d, false);
	spoil(&d);
	vdisk_open(&d, true);
	vdisk_compare(&d);
	vdisk_write(&d, 0, 512, 'a');
	vdisk_close(&d);
	assert_int_equal(vdisk_check(&d, false).damages, 0);
	vdisk_open(&d, false);
	vdisk_compare(&d);
	vdisk_fini(&d);
}

SPOIL(optional_region, spoil_add_region(d, 7 * M, M, 0))
SPOIL(optional_item, spoil_add_item(d, UNKNOWN_ITEM, 80000, 8, 0))
SPOIL(user_item, spoil_add_item(d, VHDX_GUID_DISK_SIZE, 80000, 8, 1))
SPOIL(log_version_without_log, spoil_header16(d, VHDX_HEADER_LOG_VERSION, 1))
SPOIL(same_header_twice, uint8_t raw[VHDX_HEADER_SIZE];
      mem_file_peek(&d->file, raw, sizeof raw, VHDX_HEADER_OFFSET(1));
      mem_file_poke(&d->file, raw, sizeof raw, VHDX_HEADER_OFFSET(0)))

static void unknown_optional_parts_are_kept(void **state)
{
	(void)state;
	char kept[] = "optional", found[sizeof kept];
	struct vdisk d;

	expect_opens(optional_region);
	expect_opens(optional_item);
	expect_opens(user_item);
	/* Blocks are not allocated in an unknown region. */
	make(&d, false);
	spoil_add_region(&d, 4 * M, M, 0);
	mem_file_poke(&d.file, kept, sizeof kept, 4 * M);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, d.size, 'a');
	vdisk_reopen_and_compare(&d);
	mem_file_peek(&d.file, found, sizeof found, 4 * M);
	assert_memory_equal(found, kept, sizeof kept);
	vdisk_fini(&d);
}

/* It can be read but not written; image_may_write and writes give the reason.
 */
static void expect_read_only(void (*spoil)(struct vdisk *d), int code,
			     const char *text)
{
	uint8_t buf[512] = { 0 };
	struct vdisk d;

	make(&d, false);
	spoil(&d);
	vdisk_open(&d, false);
	vdisk_compare(&d);
	assert_errno(image_may_write(d.img), code);
	if (!strstr(error_text(), text)) {
		print_error("expected \"%s\" in: %s\n", text, error_text());
		_fail(__FILE__, __LINE__);
	}
	vdisk_close(&d);
	vdisk_open(&d, true);
	mem_file_reset_counters(&d.file);
	assert_errno(image_write(d.img, buf, 3 * M, 512), code);
	assert_int_equal(d.file.n_pwrite, 0);
	vdisk_fini(&d);
}

SPOIL(no_log, spoil_header32(d, VHDX_HEADER_LOG_LENGTH, 0))
SPOIL(last_number, spoil_header64(d, VHDX_HEADER_SEQUENCE, UINT64_MAX);
      vdisk_put64(d, VHDX_HEADER_OFFSET(0) + VHDX_HEADER_SEQUENCE, 1);
      spoil_sum_headers(d))
SPOIL(shared_space, vdisk_put64(d, BAT_OFF, (4 * M) | VHDX_PRESENT);
      vdisk_put64(d, BAT_OFF + 8, (4 * M) | VHDX_PRESENT))
SPOIL(wrong_state, vdisk_put64(d, BAT_OFF + 8 * 7, 4))

static void read_only_image_has_a_reason(void **state)
{
	(void)state;
	expect_read_only(no_log, -EOPNOTSUPP, "expected a log, which writing");
	expect_read_only(log_version_without_log, -EOPNOTSUPP,
			 "log version at offset");
	expect_read_only(last_number, -EOPNOTSUPP, "sequence number");
	expect_read_only(shared_space, -EBADMSG, "two entries that share it");
}

/* The block of the invalid entry cannot be read, either. */
static void invalid_entry_makes_the_image_read_only(void **state)
{
	(void)state;
	struct vdisk d;

	make(&d, false);
	assert_ok((vdisk_open(&d, false), image_may_write(d.img)));
	vdisk_close(&d);
	wrong_state(&d);
	vdisk_open(&d, false);
	assert_errno(image_may_write(d.img), -EBADMSG);
	vdisk_fini(&d);
}

static void equal_headers_are_accepted(void **state)
{
	(void)state;
	expect_opens(same_header_twice);
}

SPOIL(header_1_bad, vdisk_put32(d, VHDX_HEADER_OFFSET(0) + 100, 1))
SPOIL(header_2_bad, vdisk_put32(d, VHDX_HEADER_OFFSET(1) + 100, 1))

static void one_valid_header_suffices(void **state)
{
	(void)state;
	expect_opens(header_1_bad);
	expect_opens(header_2_bad);
}

static void one_valid_region_table_suffices(void **state)
{
	(void)state;
	for (int slot = 0; slot < 2; slot++) {
		struct vdisk d;

		make(&d, false);
		vdisk_put32(&d, VHDX_REGION_TABLE_OFFSET(slot) + 100, 1);
		vdisk_open(&d, false);
		vdisk_compare(&d);
		vdisk_fini(&d);
	}
}

static void image_without_a_parent_has_no_reference(void **state)
{
	struct parent_ref ref;
	struct vdisk d;

	(void)state;
	make(&d, false);
	vdisk_open(&d, false);
	assert_errno(image_parent(d.img, &ref), -EBADMSG);
	assert_non_null(strstr(error_text(), "expected a differencing image"));
	vdisk_fini(&d);
}

/* Another program changes the table meanwhile. */
static void entry_changed_by_another_program_frees_nothing(void **state)
{
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = 1100 * M,
					     .block_size = M };
	uint8_t buf[512] = { 1 };
	struct vdisk d;

	(void)state;
	vdisk_create(&d, &params);
	mem_file_resize(&d.file, 16 * M);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 1);
	vdisk_put64(&d, BAT_OFF + 8 * UINT64_C(1000), 14 * M | VHDX_PRESENT);
	vdisk_zero(&d, 1000 * M, M, ZERO_PUNCH);
	vdisk_flush(&d);
	assert_errno(image_write(d.img, buf, M, 512), -EBADMSG);
	assert_non_null(strstr(error_text(), "block at offset 14680064"));
	assert_errno(image_write(d.img, buf, 0, 512), -EIO);
	(void)image_close(d.img);
	d.img = NULL;
	vdisk_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changed_byte_causes_no_crash),
		cmocka_unit_test(unknown_optional_parts_are_kept),
		cmocka_unit_test(read_only_image_has_a_reason),
		cmocka_unit_test(invalid_entry_makes_the_image_read_only),
		cmocka_unit_test(equal_headers_are_accepted),
		cmocka_unit_test(one_valid_header_suffices),
		cmocka_unit_test(one_valid_region_table_suffices),
		cmocka_unit_test(image_without_a_parent_has_no_reference),
		cmocka_unit_test(
			entry_changed_by_another_program_frees_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
