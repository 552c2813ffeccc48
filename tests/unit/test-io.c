/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of image file I/O on files: reads, holes, and locks. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/io-file.h"

static struct io *make_file(void **state, const char *name, const char *text)
{
	struct io *io = create_file(scratch_path(state, name));

	assert_ok(io_write(io, text, strlen(text), 0));
	return io;
}

static struct io *open_again(void **state, const char *name, bool writable)
{
	struct io *io = NULL;

	assert_ok(io_file_open(scratch_path(state, name), writable, &io));
	return io;
}

static void read_beyond_end_fails_or_pads(void **state)
{
	struct io *io = make_file(state, "f", "abc");
	char buf[5];

	assert_errno(io_read(io, buf, sizeof buf, 0), -EBADMSG);
	assert_non_null(strstr(error_text(), "/f: file at offset 0"));
	assert_ok(io_read_padded(io, buf, sizeof buf, 1));
	assert_memory_equal(buf, "bc\0\0", 5);
	io_close(io);
}

static void fifo_and_character_device_are_refused(void **state)
{
	struct io *io = NULL;

	assert_int_equal(mkfifo(scratch_path(state, "fifo"), 0600), 0);
	assert_errno(io_file_open(scratch_path(state, "fifo"), false, &io),
		     -EOPNOTSUPP);
	assert_errno(io_file_open("/dev/null", false, &io), -EOPNOTSUPP);
}

static enum io_space space_at(struct io *io, uint64_t off, uint64_t len,
			      uint64_t expected_len)
{
	enum io_space space = IO_SPACE_SHARED;
	uint64_t n = 0;

	assert_ok(io_space(io, off, len, &space, &n));
	assert_int_equal(n, expected_len);
	return space;
}

static void space_tells_what_a_write_finds(void **state)
{
	struct io *io = make_file(state, "f", "");
	char page[4096] = "x";

	assert_ok(io_resize(io, 1 << 20));
	assert_ok(io_write(io, page, sizeof page, 8192));
	assert_int_equal(space_at(io, 0, 1 << 20, 8192), IO_SPACE_NONE);
	/* In the page cache, and on the disk. */
	assert_int_equal(space_at(io, 8192, 1 << 20, 4096), IO_SPACE_OWN);
	assert_ok(io_sync(io));
	assert_int_equal(space_at(io, 8192 + 512, 1 << 20, 4096 - 512),
			 IO_SPACE_OWN);
	assert_int_equal(space_at(io, 8192, 512, 512), IO_SPACE_OWN);
	assert_int_equal(space_at(io, 12288, 65536, 65536), IO_SPACE_NONE);
	/* Past the end. */
	assert_int_equal(space_at(io, 2 << 20, 4096, 4096), IO_SPACE_NONE);
	io_close(io);
}

static void allocated_space_is_no_hole(void **state)
{
	struct io *io = make_file(state, "f", "");
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap)];
	} arg = { .map = { .fm_length = 1 } };

	if (ioctl(io->fd, FS_IOC_FIEMAP, &arg) < 0) {
		io_close(io);
		skip();
	}
	assert_ok(io_resize(io, 1 << 20));
	assert_ok(io_reserve(io, 0, 1 << 19));
	assert_int_equal(space_at(io, 4096, 65536, 65536), IO_SPACE_OWN);
	assert_int_equal(space_at(io, 1 << 19, 4096, 4096), IO_SPACE_NONE);
	io_close(io);
}

static void zero_makes_hole_or_keeps_space(void **state)
{
	struct io *io = make_file(state, "f", "");
	_cleanup_free_ char *data = malloc(1 << 20);
	struct stat st;
	bool is_data = true;
	uint64_t len;
	char c;

	memset(data, 'x', 1 << 20);
	assert_ok(io_write(io, data, 1 << 20, 0));
	assert_ok(io_sync(io));
	assert_ok(io_zero(io, 0, 1 << 19, true));
	fstat(io->fd, &st);
	assert_true(st.st_blocks * 512 >= 1 << 20);
	assert_ok(io_zero(io, 0, 1 << 19, false));
	fstat(io->fd, &st);
	assert_true(st.st_blocks * 512 < 1 << 20);
	assert_ok(io_extent(io, 0, &is_data, &len));
	assert_false(is_data);
	assert_int_equal(len, 1 << 19);
	assert_ok(io_read(io, &c, 1, 1 << 18));
	assert_int_equal(c, 0);
	io_close(io);
}

/* A hole that is made later shows that the file system was not asked again;
 * data is a correct result for it. */
static void data_of_a_file_that_is_not_writable_is_asked_for_once(void **state)
{
	struct io *io = make_file(state, "f", "");
	struct io *reader = open_again(state, "f", false);
	bool is_data = false;
	uint64_t len;
	char data[8192];

	memset(data, 'x', sizeof data);
	assert_ok(io_write(io, data, sizeof data, 0));
	assert_ok(io_extent(reader, 0, &is_data, &len));
	assert_true(is_data);
	assert_int_equal(len, 8192);
	assert_ok(io_zero(io, 4096, 4096, false));
	assert_ok(io_extent(reader, 4096, &is_data, &len));
	assert_true(is_data);
	assert_int_equal(len, 4096);
	assert_ok(io_extent(io, 4096, &is_data, &len));
	assert_false(is_data);
	io_close(io);
	io_close(reader);
}

static void exclusive_lock_excludes_all(void **state)
{
	struct io *a = make_file(state, "f", "abc");
	struct io *b = open_again(state, "f", true);
	char name[16], holder[64];

	/* Under valgrind it is not the name of the test program. */
	prctl(PR_GET_NAME, name);
	snprintf(holder, sizeof holder, "in use by %s (process %d)", name,
		 (int)getpid());
	assert_ok(io_lock(a, IO_LOCK_EXCLUSIVE));
	assert_errno(io_lock(b, IO_LOCK_EXCLUSIVE), -EBUSY);
	assert_errno(io_lock(b, IO_LOCK_SHARED), -EBUSY);
	assert_non_null(strstr(error_text(), holder));
	io_close(a);
	assert_ok(io_lock(b, IO_LOCK_EXCLUSIVE));
	io_close(b);
}

static void shared_locks_exclude_a_writer(void **state)
{
	struct io *a = make_file(state, "f", "abc");
	struct io *b = open_again(state, "f", false);
	struct io *c = open_again(state, "f", true);
	char holder[64];

	assert_int_equal(io_file_in_use(c, holder, sizeof holder), 0);
	assert_ok(io_lock(a, IO_LOCK_SHARED));
	assert_ok(io_lock(b, IO_LOCK_SHARED));
	assert_errno(io_lock(c, IO_LOCK_EXCLUSIVE), -EBUSY);
	assert_int_equal(io_file_in_use(c, holder, sizeof holder), 1);
	io_close(a);
	assert_errno(io_lock(c, IO_LOCK_EXCLUSIVE), -EBUSY);
	io_close(b);
	assert_ok(io_lock(c, IO_LOCK_EXCLUSIVE));
	io_close(c);
}

/* The exit status of qemu-io that opens the file for writing or reading. */
static int qemu_io(void **state, bool writable)
{
	char command[512];

	snprintf(command, sizeof command,
		 "qemu-io %s -f raw -c 'read 0 512' %s >/dev/null 2>&1",
		 writable ? "" : "-r", scratch_path(state, "f"));
	return system(command);
}

static void skip_without_qemu(void)
{
	if (system("command -v qemu-io >/dev/null") != 0)
		skip();
}

static void qemu_respects_our_locks(void **state)
{
	skip_without_qemu();
	struct io *io = make_file(state, "f", "");

	assert_ok(io_resize(io, 1 << 20));
	assert_int_equal(qemu_io(state, true), 0);
	assert_ok(io_lock(io, IO_LOCK_SHARED));
	assert_int_not_equal(qemu_io(state, true), 0);
	assert_int_equal(qemu_io(state, false), 0);
	assert_ok(io_lock(io, IO_LOCK_EXCLUSIVE));
	assert_int_not_equal(qemu_io(state, false), 0);
	io_close(io);
}

static void locks_of_qemu_are_respected(void **state)
{
	skip_without_qemu();
	struct io *io = make_file(state, "f", "");
	char command[512];
	FILE *qemu;

	assert_ok(io_resize(io, 1 << 20));
	snprintf(command, sizeof command, "qemu-io -f raw %s >/dev/null 2>&1",
		 scratch_path(state, "f"));
	qemu = popen(command, "w");
	assert_non_null(qemu);
	/* io_file_in_use takes no lock: a lock would make QEMU's open fail. */
	for (int i = 0; i < 200 && io_file_in_use(io, NULL, 0) == 0; i++)
		usleep(20000);
	assert_errno(io_lock(io, IO_LOCK_SHARED), -EBUSY);
	assert_non_null(strstr(error_text(), "qemu-io"));
	assert_errno(io_lock(io, IO_LOCK_EXCLUSIVE), -EBUSY);
	pclose(qemu);
	assert_ok(io_lock(io, IO_LOCK_EXCLUSIVE));
	io_close(io);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(read_beyond_end_fails_or_pads),
		TEST(fifo_and_character_device_are_refused),
		TEST(space_tells_what_a_write_finds),
		TEST(allocated_space_is_no_hole),
		TEST(zero_makes_hole_or_keeps_space),
		TEST(data_of_a_file_that_is_not_writable_is_asked_for_once),
		TEST(exclusive_lock_excludes_all),
		TEST(shared_locks_exclude_a_writer),
		TEST(qemu_respects_our_locks),
		TEST(locks_of_qemu_are_respected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
