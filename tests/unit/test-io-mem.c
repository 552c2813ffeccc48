/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of struct io's common functions, and of the in-memory back-end. */
#include "config.h"

#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "unit/io-mem.h"

static int file_setup(void **state)
{
	static struct mem_file file;

	mem_file_init(&file);
	*state = &file;
	return 0;
}

static int file_teardown(void **state)
{
	mem_file_fini(*state);
	return 0;
}

static void content_survives_close(void **state)
{
	char buf[10] = "";
	struct io *io;
	uint64_t size;

	assert_ok(io_mem_open(*state, "mem", true, &io));
	assert_ok(io_write(io, "hello", 5, 4094));
	io_close(io);
	assert_ok(io_mem_open(*state, "mem", false, &io));
	assert_ok(io_size(io, &size));
	assert_int_equal(size, 4099);
	assert_ok(io_read_padded(io, buf, 10, 4093));
	assert_memory_equal(buf, "\0hello\0\0\0\0", 10);
	assert_errno(io_read(io, buf, 10, 4094), -EBADMSG);
	io_close(io);
}

static void punched_and_truncated_ranges_are_holes(void **state)
{
	struct mem_file *file = *state;
	char buf[MEM_PAGE];
	uint64_t len;
	struct io *io;
	bool data;

	memset(buf, 7, sizeof buf);
	assert_ok(io_mem_open(file, "mem", true, &io));
	for (int i = 0; i < 3; i++)
		assert_ok(io_write(io, buf, MEM_PAGE, i * MEM_PAGE));
	assert_ok(io_zero(io, MEM_PAGE - 1, MEM_PAGE + 1, false));
	assert_int_equal(mem_file_used(file), 2);
	assert_ok(io_extent(io, MEM_PAGE, &data, &len));
	assert_false(data);
	assert_int_equal(len, MEM_PAGE);
	assert_ok(io_resize(io, 10));
	assert_ok(io_resize(io, 2 * MEM_PAGE));
	assert_ok(io_read(io, buf, 12, 0));
	assert_memory_equal(buf, "\7\7\7\7\7\7\7\7\7\7\0\0", 12);
	io_close(io);
}

/* The kernel reports a failed write-back only once. */
static void sync_after_failed_sync_fails(void **state)
{
	struct mem_file *file = *state;
	struct io *io;

	assert_ok(io_mem_open(file, "mem", true, &io));
	file->fail_after = 0;
	file->fail_code = -ENOSPC;
	file->fail_once = true;
	assert_errno(io_sync(io), -ENOSPC);
	assert_errno(io_sync(io), -EIO);
	assert_int_equal(file->n_sync, 1);
	io_close(io);
	assert_ok(io_mem_open(file, "mem", true, &io));
	assert_ok(io_sync(io));
	io_close(io);
}

static void reserved_range_has_space_and_keeps_content(void **state)
{
	struct mem_file *file = *state;
	char byte;
	struct io *io;

	assert_ok(io_mem_open(file, "mem", true, &io));
	assert_ok(io_write(io, "a", 1, 0));
	assert_ok(io_resize(io, 4 * MEM_PAGE));
	file->room = 2;
	assert_ok(io_reserve(io, MEM_PAGE, 1));
	assert_errno(io_reserve(io, 2 * MEM_PAGE, 1), -ENOSPC);
	assert_errno(io_write(io, "b", 1, 2 * MEM_PAGE), -ENOSPC);
	assert_ok(io_read(io, &byte, 1, MEM_PAGE));
	assert_int_equal(byte, 0);
	assert_ok(io_write(io, "c", 1, MEM_PAGE));
	io_close(io);
}

static void simulated_failures_occur(void **state)
{
	struct mem_file *file = *state;
	struct io *io;

	assert_ok(io_mem_open(file, "mem", true, &io));
	file->fail_after = 1;
	file->fail_code = -EIO;
	file->fail_once = true;
	assert_ok(io_write(io, "a", 1, 0));
	assert_errno(io_sync(io), -EIO);
	assert_int_equal(file->n_sync, 1);
	file->room = 1;
	assert_errno(io_write(io, "a", 1, MEM_PAGE), -ENOSPC);
	assert_ok(io_write(io, "b", 1, 1));
	io_close(io);
}

/* Chunks of at most 64 KiB that do not cross a multiple of it: see io.c. */
static void write_chunked_writes_aligned_chunks(void **state)
{
	enum { STEP = 64 << 10, LEN = 2 * STEP };
	struct mem_file *file = *state;
	static char buf[LEN], back[LEN];
	struct io *io;

	for (int i = 0; i < LEN; i++)
		buf[i] = (char)(i / 512);
	assert_ok(io_mem_open(file, "mem", true, &io));
	assert_ok(io_write_chunked(io, buf, LEN, STEP - 512));
	assert_int_equal(file->n_pwrite, 3);
	assert_ok(io_read(io, back, LEN, STEP - 512));
	assert_memory_equal(buf, back, LEN);
	assert_ok(io_write_chunked(io, buf, STEP, STEP));
	assert_int_equal(file->n_pwrite, 4);
	io_close(io);
}

static void write_chunked_stops_at_first_failure(void **state)
{
	enum { STEP = 64 << 10, LEN = 3 * STEP };
	struct mem_file *file = *state;
	static char buf[LEN];
	struct io *io;

	assert_ok(io_mem_open(file, "mem", true, &io));
	file->fail_after = 1;
	file->fail_code = -ENOSPC;
	assert_errno(io_write_chunked(io, buf, LEN, 0), -ENOSPC);
	assert_int_equal(file->n_pwrite, 2);
	io_close(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(content_survives_close,
						file_setup, file_teardown),
		cmocka_unit_test_setup_teardown(
			punched_and_truncated_ranges_are_holes, file_setup,
			file_teardown),
		cmocka_unit_test_setup_teardown(sync_after_failed_sync_fails,
						file_setup, file_teardown),
		cmocka_unit_test_setup_teardown(
			reserved_range_has_space_and_keeps_content, file_setup,
			file_teardown),
		cmocka_unit_test_setup_teardown(simulated_failures_occur,
						file_setup, file_teardown),
		cmocka_unit_test_setup_teardown(
			write_chunked_writes_aligned_chunks, file_setup,
			file_teardown),
		cmocka_unit_test_setup_teardown(
			write_chunked_stops_at_first_failure, file_setup,
			file_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
