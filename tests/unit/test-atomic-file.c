/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of atomic file creation. */
#define _GNU_SOURCE
#include "unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/atomic-file.h"

static int count_entries(const char *dir)
{
	_cleanup_closedir_ DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	return n - 2;
}

static void file_is_visible_only_after_publish(void **state)
{
	const char *path = scratch_path(state, "image");
	struct atomic_file file;
	struct stat st;

	assert_ok(atomic_file_create(path, NULL, NULL, &file));
	assert_ok(io_write(file.io, "whole", 5, 0));
	assert_int_equal(stat(path, &st), -1);
	assert_ok(atomic_file_publish(&file));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5);
	atomic_file_fini(&file);
	assert_int_equal(count_entries(*state), 1);
}

static void fini_removes_unpublished_file(void **state)
{
	struct atomic_file file;

	assert_ok(atomic_file_create(scratch_path(state, "image"), NULL, NULL,
				     &file));
	assert_int_equal(count_entries(*state), 1);
	atomic_file_fini(&file);
	assert_int_equal(count_entries(*state), 0);
}

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "old", 3), 3);
	close(fd);
}

static void existing_file_is_not_replaced(void **state)
{
	const char *path = scratch_path(state, "image");
	struct atomic_file file;
	struct stat st;

	make_file(path);
	assert_errno(atomic_file_create(path, NULL, NULL, &file), -EEXIST);
	unlink(path);
	assert_ok(atomic_file_create(path, NULL, NULL, &file));
	/* Another process creates the file meanwhile. */
	make_file(path);
	assert_errno(atomic_file_publish(&file), -EEXIST);
	atomic_file_fini(&file);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3);
	assert_int_equal(count_entries(*state), 1);
}

/* Calls of fsync: of a file, or of a directory. */
static unsigned n_file_syncs, n_dir_syncs;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	if (S_ISDIR(st.st_mode))
		n_dir_syncs++;
	else
		n_file_syncs++;
	return __real_fsync(fd);
}

static void assert_text(const char *path, const char *expected, mode_t mode)
{
	char text[64] = "";
	struct stat st;
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof text - 1) >= 0);
	assert_string_equal(text, expected);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	close(fd);
}

static void write_creates_and_replaces_a_file(void **state)
{
	const char *path = scratch_path(state, "text");
	mode_t umask_before = umask(077);

	assert_ok(
		atomic_file_write(path, "one\n", 0644, ATOMIC_FILE_ANY_GROUP));
	assert_text(path, "one\n", 0644);
	assert_ok(atomic_file_write(path, "", 0600, getgid()));
	assert_text(path, "", 0600);
	assert_int_equal(count_entries(*state), 1);
	umask(umask_before);
}

static void write_syncs_the_file_and_its_directory(void **state)
{
	n_file_syncs = n_dir_syncs = 0;
	assert_ok(atomic_file_write(scratch_path(state, "text"), "a", 0644,
				    ATOMIC_FILE_ANY_GROUP));
	assert_int_equal(n_file_syncs, 1);
	assert_int_equal(n_dir_syncs, 1);
}

static void write_removes_an_old_temporary_file(void **state)
{
	const char *path = scratch_path(state, "text");

	make_file(scratch_path(state, "text.new"));
	assert_ok(atomic_file_write(path, "a", 0644, ATOMIC_FILE_ANY_GROUP));
	assert_text(path, "a", 0644);
	assert_int_equal(count_entries(*state), 1);
}

static void failed_write_keeps_the_old_file(void **state)
{
	const char *path = scratch_path(state, "text");

	make_file(path);
	assert_int_equal(mkdir(scratch_path(state, "text.new"), 0700), 0);
	assert_errno(atomic_file_write(path, "a", 0644, ATOMIC_FILE_ANY_GROUP),
		     -EEXIST);
	assert_text(path, "old", 0600);
	assert_errno(atomic_file_write(scratch_path(state, "none/text"), "a",
				       0644, ATOMIC_FILE_ANY_GROUP),
		     -ENOENT);
	assert_int_equal(rmdir(scratch_path(state, "text.new")), 0);
	assert_int_equal(mkdir(scratch_path(state, "dir"), 0700), 0);
	assert_errno(atomic_file_write(scratch_path(state, "dir"), "a", 0644,
				       ATOMIC_FILE_ANY_GROUP),
		     -EISDIR);
	assert_int_equal(count_entries(*state), 2);
}

static void name_may_have_maximum_length(void **state)
{
	char path[512];
	struct atomic_file file;

	snprintf(path, sizeof path, "%s/%0255d", (const char *)*state, 0);
	assert_ok(atomic_file_create(path, NULL, NULL, &file));
	assert_ok(atomic_file_publish(&file));
	atomic_file_fini(&file);
}

int main(void)
{
	const struct CMUnitTest file[] = {
#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
		TEST(file_is_visible_only_after_publish),
		TEST(fini_removes_unpublished_file),
		TEST(existing_file_is_not_replaced),
		TEST(name_may_have_maximum_length),
		TEST(write_creates_and_replaces_a_file),
		TEST(write_syncs_the_file_and_its_directory),
		TEST(write_removes_an_old_temporary_file),
		TEST(failed_write_keeps_the_old_file),
	};

	return cmocka_run_group_tests(file, NULL, NULL);
}
