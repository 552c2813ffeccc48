/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing: headers and their guids, syncs, the log, and the state of the file
 * after a kill or a failed write.
 */
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

static unsigned syncs(struct vdisk *d)
{
	unsigned n = d->file.n_sync;

	mem_file_reset_counters(&d->file);
	return n;
}

static void writes_and_flushes_cause_few_syncs(void **state)
{
	(void)state;
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	syncs(&d);
	/* The first flush: unsynced pages of a crashed process. */
	vdisk_flush(&d);
	assert_int_equal(syncs(&d), 1);
	vdisk_flush(&d);
	assert_int_equal(syncs(&d), 0);
	/* The first change: three headers and the first log entry. */
	vdisk_write(&d, 0, 512, 'a');
	assert_int_equal(syncs(&d), 4);
	/* A new block: the data and the log. */
	vdisk_flush(&d);
	assert_int_equal(syncs(&d), 2);
	/* A write into an allocated block: the data. */
	vdisk_write(&d, 512, 512, 'b');
	vdisk_flush(&d);
	assert_int_equal(syncs(&d), 1);
	vdisk_flush(&d);
	assert_int_equal(syncs(&d), 0);
	vdisk_write(&d, M, 512, 'c');
	assert_int_equal(syncs(&d), 0);
	vdisk_flush(&d);
	assert_int_equal(syncs(&d), 2);
	/* A close: the checkpoint and two headers. */
	vdisk_close(&d);
	assert_int_equal(syncs(&d), 3);
	vdisk_expect_undamaged(&d);
	vdisk_fini(&d);
}

static void assert_files_equal(const struct vdisk *a, const struct vdisk *b)
{
	uint8_t x[4096], y[4096];

	assert_int_equal(a->file.size, b->file.size);
	for (uint64_t off = 0; off < a->file.size; off += sizeof x) {
		mem_file_peek(&a->file, x, sizeof x, off);
		mem_file_peek(&b->file, y, sizeof y, off);
		assert_memory_equal(x, y, sizeof x);
	}
}

static void open_without_a_write_changes_nothing(void **state)
{
	(void)state;
	struct vdisk d, before;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 2 * M, 'a');
	vdisk_close(&d);
	vdisk_kill_copy(&before, &d);
	mem_file_reset_counters(&d.file);
	vdisk_open(&d, true);
	vdisk_compare(&d);
	vdisk_flush(&d);
	vdisk_close(&d);
	assert_files_equal(&d, &before);
	/* The first flush syncs earlier writes. */
	assert_int_equal(d.file.n_pwrite, 0);
	assert_int_equal(d.file.n_sync, 1);
	vdisk_fini(&before);
	vdisk_fini(&d);
}

/* The three guids of the current header. */
struct guids {
	struct guid file, data, log;
};

static struct guids guids_of(const struct vdisk *d)
{
	return (struct guids){
		vdisk_header_guid(d, VHDX_HEADER_FILE_GUID),
		vdisk_header_guid(d, VHDX_HEADER_DATA_GUID),
		vdisk_header_guid(d, VHDX_HEADER_LOG_GUID),
	};
}

static void first_write_changes_the_guids_once(void **state)
{
	(void)state;
	struct guids fresh, first, later, closed, again;
	struct vdisk d;

	vdisk_create(&d, &small);
	fresh = guids_of(&d);
	assert_true(guid_is_null(&fresh.log));
	vdisk_open(&d, true);
	assert_true(guid_equal(&d.img->id, &fresh.data));
	vdisk_write(&d, 0, 512, 'a');
	first = guids_of(&d);
	assert_false(guid_equal(&first.file, &fresh.file));
	assert_false(guid_equal(&first.data, &fresh.data));
	assert_false(guid_is_null(&first.log));
	assert_true(guid_equal(&d.img->id, &first.data));
	vdisk_flush(&d);
	vdisk_write(&d, 3 * M, 512, 'b');
	vdisk_flush(&d);
	later = guids_of(&d);
	assert_memory_equal(&later, &first, sizeof first);
	vdisk_close(&d);
	closed = guids_of(&d);
	assert_true(guid_equal(&closed.data, &first.data));
	assert_true(guid_is_null(&closed.log));
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'c');
	again = guids_of(&d);
	assert_false(guid_equal(&again.data, &first.data));
	assert_false(guid_equal(&again.log, &first.log));
	vdisk_fini(&d);
}

static void headers_differ_only_in_their_number(void **state)
{
	(void)state;
	uint8_t a[VHDX_HEADER_SIZE], b[VHDX_HEADER_SIZE];
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'a');
	for (int i = 0; i < 2; i++) {
		mem_file_peek(&d.file, a, sizeof a, VHDX_HEADER_OFFSET(0));
		mem_file_peek(&d.file, b, sizeof b, VHDX_HEADER_OFFSET(1));
		assert_memory_equal(a + 16, b + 16, sizeof a - 16);
		if (i == 0)
			vdisk_close(&d);
	}
	vdisk_fini(&d);
}

/* A copy made by a kill has the model's content, open for reading or writing.
 */
static void expect_killed_copy_complete(const struct vdisk *d)
{
	struct guids before = guids_of(d), after;
	struct found found;
	struct vdisk k;

	vdisk_kill_copy(&k, d);
	vdisk_open(&k, false);
	assert_true(k.img->dirty);
	vdisk_compare(&k);
	vdisk_close(&k);
	found = vdisk_check(&k, false);
	assert_int_equal(found.damages, 0);
	assert_true(found.dirty);
	assert_non_null(strstr(found.pending,
			       "log entries are replayed when it is opened"));
	vdisk_open(&k, true);
	vdisk_compare(&k);
	vdisk_close(&k);
	/* Freed and unused space is a leak, no damage. */
	assert_int_equal(vdisk_check(&k, false).damages, 0);
	vdisk_open(&k, false);
	vdisk_compare(&k);
	vdisk_close(&k);
	after = guids_of(&k);
	assert_true(guid_equal(&after.data, &before.data));
	assert_false(guid_equal(&after.file, &before.file));
	vdisk_fini(&k);

	vdisk_kill_copy(&k, d);
	found = vdisk_check(&k, true);
	assert_int_equal(found.repaired, found.damages + found.leaks);
	vdisk_expect_undamaged(&k);
	vdisk_open(&k, false);
	assert_false(k.img->dirty);
	vdisk_compare(&k);
	vdisk_fini(&k);
}

static void flushed_writes_survive_a_kill(void **state)
{
	(void)state;
	uint64_t seed = seed_from_environment();

	for (int child = 0; child < 2; child++) {
		struct vdisk d;

		if (child)
			vdisk_create_child(&d, &small, &seed);
		else
			vdisk_create(&d, &small);
		vdisk_open(&d, true);
		vdisk_write(&d, 0, 512, 'a');
		for (int i = 0; i < 12; i++) {
			vdisk_exercise(&d, &seed, 12);
			vdisk_flush(&d);
			expect_killed_copy_complete(&d);
		}
		vdisk_reopen_and_compare(&d);
		vdisk_fini(&d);
	}
}

/* Checkpoints that are lost are still in the log. */
static void log_replaces_lost_checkpoints(void **state)
{
	(void)state;
	uint8_t before[4096];
	struct vdisk d, k;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'a');
	vdisk_flush(&d);
	mem_file_peek(&d.file, before, sizeof before, BAT_OFF);
	vdisk_write(&d, 4 * M, 2 * M, 'b');
	vdisk_flush(&d);
	vdisk_kill_copy(&k, &d);
	mem_file_poke(&k.file, before, sizeof before, BAT_OFF);
	expect_killed_copy_complete(&k);
	vdisk_fini(&k);
	vdisk_fini(&d);
}

static void log_wraps_many_times(void **state)
{
	(void)state;
	uint64_t seed = 1;
	struct vdisk d;

	vdisk_create_child(&d, &small, &seed);
	vdisk_open(&d, true);
	for (unsigned i = 0; i < 700; i++) {
		vdisk_write(&d, i * 19 % 1700 * 4096, 4096, i);
		vdisk_flush(&d);
		if (i % 31 == 0)
			expect_killed_copy_complete(&d);
	}
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

/*
 * A disk of 200 GiB in blocks of 1 MiB: each GiB has its own two pages of the
 * BAT and, in a child, of bitmaps.
 */
enum { WIDE_WRITES = 400 };
#define WIDE_SIZE (200 * 1024 * M)

static void wide_create(struct mem_file *file, bool child)
{
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = WIDE_SIZE,
				       .block_size = M };
	struct image_params of_child = { .type = IMAGE_DIFFERENCING,
					 .block_size = M,
					 .parent_relative = "base.vhdx" };
	struct mem_file base;
	struct image *img;
	struct io *io;

	mem_file_init(file);
	mem_file_init(&base);
	assert_ok(io_mem_open(&base, "base.vhdx", true, &io));
	assert_ok(image_create(io, &vhdx_ops, &params));
	assert_ok(image_open(io, NULL, &img));
	of_child.parent = img;
	assert_ok(io_mem_open(file, "wide.vhdx", true, &io));
	assert_ok(image_create(io, &vhdx_ops, child ? &of_child : &params));
	io_close(io);
	assert_ok(image_close(img));
	mem_file_fini(&base);
}

static struct image *wide_open(struct mem_file *file, bool writable)
{
	struct image *img = NULL;
	struct io *io;

	assert_ok(io_mem_open(file, "wide.vhdx", writable, &io));
	assert_ok(image_open(io, NULL, &img));
	return img;
}

static uint64_t wide_off(unsigned i)
{
	return i * 512 * M + 4096;
}

static uint8_t wide_byte(struct image *img, unsigned i)
{
	struct extent e;
	uint8_t buf[512];

	assert_ok(image_map(img, wide_off(i), 512, &e));
	if (e.kind != EXTENT_STORED)
		return 0;
	assert_ok(io_read(img->io, buf, e.len, e.file_off));
	assert_true(!memcmp(buf, buf + 1, e.len - 1));
	return buf[0];
}

/* Calls the driver, as image_write would flush in between. */
static void wide_write_all(struct image *img)
{
	uint8_t buf[512];

	memset(buf, 'f', sizeof buf);
	assert_ok(image_write(img, buf, wide_off(0), 512));
	memset(buf, 'w', sizeof buf);
	for (unsigned i = 1; i < WIDE_WRITES; i++)
		assert_ok(img->ops->write(img, buf, wide_off(i), 512));
	atomic_store(&img->written, true);
}

/* Each block is written or not: returns the number that is. */
static unsigned wide_count(struct mem_file *file)
{
	struct image *img = wide_open(file, false);
	unsigned n = 0;

	for (unsigned i = 1; i < WIDE_WRITES; i++) {
		uint8_t byte = wide_byte(img, i);

		assert_true(byte == 0 || byte == 'w');
		n += byte == 'w';
	}
	assert_ok(image_close(img));
	return n;
}

static void flush_of_more_pages_than_the_log_holds(void **state)
{
	(void)state;
	for (int child = 0; child < 2; child++) {
		struct mem_file file, killed;
		struct image *img;

		wide_create(&file, child);
		img = wide_open(&file, true);
		wide_write_all(img);
		mem_file_reset_counters(&file);
		assert_ok(image_flush(img));
		/* About 250 pages an entry; two syncs for each, one for an
		 * empty entry. */
		assert_in_range(file.n_sync, 2,
				3 * (2 * WIDE_WRITES / 240 + 1));
		mem_file_init(&killed);
		mem_file_copy(&killed, &file);
		assert_int_equal(wide_count(&killed), WIDE_WRITES - 1);
		mem_file_fini(&killed);
		assert_ok(image_close(img));
		assert_int_equal(wide_count(&file), WIDE_WRITES - 1);
		mem_file_fini(&file);
	}
}

/* The same flush, failing at each access. */
static void failed_large_flush_leaves_whole_blocks(void **state)
{
	(void)state;
	unsigned last = 0;

	for (int n = 0; n < 2000; n += 37) {
		struct mem_file file, killed;
		struct image *img;
		int r;

		wide_create(&file, true);
		img = wide_open(&file, true);
		wide_write_all(img);
		file.fail_after = n;
		file.fail_code = -EIO;
		r = image_flush(img);
		mem_file_init(&killed);
		mem_file_copy(&killed, &file);
		file.fail_after = -1;
		last = wide_count(&killed);
		mem_file_fini(&killed);
		assert_int_equal(image_close(img), r);
		mem_file_fini(&file);
		if (r == 0)
			break;
	}
	assert_int_equal(last, WIDE_WRITES - 1);
}

static void dirty_pages_are_bounded(void **state)
{
	(void)state;
	struct mem_file file;
	struct image *img;
	uint8_t buf[512] = "x";
	unsigned after_start;

	wide_create(&file, true);
	img = wide_open(&file, true);
	assert_ok(image_write(img, buf, wide_off(0), 512));
	after_start = file.n_sync;
	for (unsigned i = 1; i < WIDE_WRITES; i++)
		assert_ok(image_write(img, buf, wide_off(i), 512));
	/* Two pages a write; flushes of about 110 pages, two syncs each. */
	assert_in_range(file.n_sync - after_start, 8, 20);
	assert_ok(image_close(img));
	mem_file_fini(&file);
}

/* Flushed writes, before those that fail. */
static void prepare(struct vdisk *d, uint64_t *seed)
{
	vdisk_create_child(d, &small, seed);
	vdisk_open(d, true);
	vdisk_write(d, 0, 3 * M - 512, 'a');
	vdisk_flush(d);
}

/* Each sector of the copy has the old or the new content. */
static void expect_old_or_new(struct vdisk *k, const uint8_t *old,
			      const uint8_t *new)
{
	uint8_t *buf = malloc(k->size);

	vdisk_read(k, buf, 0, k->size);
	for (uint64_t off = 0; off < k->size; off += 512)
		assert_true(!memcmp(buf + off, old + off, 512) ||
			    !memcmp(buf + off, new + off, 512));
	free(buf);
}

/* A run with a failure of the nth access: 0 if none failed. */
static int fail_at(int n, uint64_t seed, bool once)
{
	static const struct {
		uint64_t off, len;
		int zero; /* flags + 1 */
	} steps[] = {
		{ 3 * M, 4096, 0 },
		{ 0, M, ZERO_PUNCH + 1 },
		{ M, 512, 0 },
		{ 4 * M, M, 0 },
		{ 5 * M, M, 1 },
		{ 6 * M + 512, 512, 0 },
		{ 2 * M, 4096, ZERO_PUNCH + 1 },
	};
	struct vdisk d, k;
	uint8_t *old;
	int r = 0;

	prepare(&d, &seed);
	old = malloc(d.size);
	memcpy(old, d.model, d.size);
	d.file.fail_after = n;
	d.file.fail_code = -EIO;
	d.file.fail_once = once;
	for (unsigned i = 0; r == 0 && i < sizeof steps / sizeof steps[0];
	     i++) {
		memset(d.model + steps[i].off, steps[i].zero ? 0 : 'n',
		       steps[i].len);
		r = steps[i].zero ? image_zero(d.img, steps[i].off,
					       steps[i].len, steps[i].zero - 1)
				  : image_write(d.img, d.model + steps[i].off,
						steps[i].off, steps[i].len);
	}
	if (r == 0)
		r = image_flush(d.img);
	if (r == 0)
		memcpy(old, d.model, d.size);
	vdisk_kill_copy(&k, &d);
	vdisk_open(&k, true);
	expect_old_or_new(&k, old, d.model);
	vdisk_close(&k);
	assert_int_equal(vdisk_check(&k, false).damages, 0);
	vdisk_fini(&k);
	/* Later writes work. */
	d.file.fail_after = -1;
	image_close(d.img);
	d.img = NULL;
	vdisk_open(&d, true);
	expect_old_or_new(&d, old, d.model);
	vdisk_close(&d);
	assert_int_equal(vdisk_check(&d, false).damages, 0);
	vdisk_fini(&d);
	free(old);
	return r;
}

static void failed_access_leaves_old_or_new_content(void **state)
{
	(void)state;
	for (int once = 0; once < 2; once++) {
		int n = 0;

		while (fail_at(n, 7, once) < 0)
			n++;
		assert_in_range(n, 10, 1000);
	}
}

static void failed_flush_fails_the_image(void **state)
{
	(void)state;
	uint8_t buf[512] = { 0 };
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'a');
	d.file.fail_after = 0;
	d.file.fail_code = -EIO;
	d.file.fail_once = true;
	assert_errno(image_flush(d.img), -EIO);
	assert_errno(image_write(d.img, buf, 0, 512), -EIO);
	assert_errno(image_flush(d.img), -EIO);
	image_close(d.img);
	d.img = NULL;
	/* It can be reopened. */
	vdisk_open(&d, true);
	vdisk_write(&d, 0, 512, 'b');
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
}

static void full_disk_does_no_damage(void **state)
{
	(void)state;
	uint8_t *buf = calloc(1, 2 * M);
	struct vdisk d;

	vdisk_create(&d, &small);
	vdisk_open(&d, true);
	vdisk_write(&d, 0, M, 'a');
	vdisk_flush(&d);
	d.file.room = mem_file_used(&d.file) + 4;
	memset(buf, 'b', 2 * M);
	assert_errno(image_write(d.img, buf, 4 * M, 2 * M), -ENOSPC);
	d.file.room = 0;
	vdisk_compare(&d);
	/* The image still works: -ENOSPC is no damage. */
	vdisk_write(&d, 2 * M, M, 'c');
	vdisk_reopen_and_compare(&d);
	vdisk_fini(&d);
	free(buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_and_flushes_cause_few_syncs),
		cmocka_unit_test(open_without_a_write_changes_nothing),
		cmocka_unit_test(first_write_changes_the_guids_once),
		cmocka_unit_test(headers_differ_only_in_their_number),
		cmocka_unit_test(flushed_writes_survive_a_kill),
		cmocka_unit_test(log_replaces_lost_checkpoints),
		cmocka_unit_test(log_wraps_many_times),
		cmocka_unit_test(flush_of_more_pages_than_the_log_holds),
		cmocka_unit_test(failed_large_flush_leaves_whole_blocks),
		cmocka_unit_test(dirty_pages_are_bounded),
		cmocka_unit_test(failed_access_leaves_old_or_new_content),
		cmocka_unit_test(failed_flush_fails_the_image),
		cmocka_unit_test(full_disk_does_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
