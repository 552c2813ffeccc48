/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The quota of an image's file. */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "io/io.h"
#include "store/quota.h"

struct file {
	struct io *io;
	struct quota quota;
};

static void file_setup(struct file *f, void **state)
{
	f->io = create_file(scratch_path(state, "f"));
	quota_init(&f->quota);
}

static void file_teardown(struct file *f)
{
	quota_fini(&f->quota);
	io_close(f->io);
}

static int take(struct file *f, uint64_t len)
{
	return quota_take(&f->quota, f->io->fd, "f", len);
}

static void set(struct file *f, const char *text)
{
	assert_int_equal(
		fsetxattr(f->io->fd, QUOTA_ATTRIBUTE, text, strlen(text), 0),
		0);
	quota_forget(&f->quota);
}

static void file_without_attribute_has_no_quota(void **state)
{
	struct file f;

	file_setup(&f, state);
	assert_true(quota_applies(&f.quota));
	assert_ok(take(&f, MIB(100)));
	assert_false(quota_applies(&f.quota));
	set(&f, "0");
	assert_ok(take(&f, MIB(100)));
	assert_false(quota_applies(&f.quota));
	file_teardown(&f);
}

/* What is left is never exceeded by one writer. */
static void file_stays_within_its_quota(void **state)
{
	_cleanup_free_ char *data = calloc(1, KIB(64));
	uint64_t off = 0;
	struct stat st;
	struct file f;

	assert_non_null(data);
	file_setup(&f, state);
	set(&f, "4M");
	while (take(&f, KIB(64)) == 0 && off < MIB(64)) {
		assert_ok(io_write(f.io, data, KIB(64), off));
		off += KIB(64);
	}
	assert_int_equal(fstat(f.io->fd, &st), 0);
	assert_in_range((uint64_t)st.st_blocks * 512, MIB(4) - KIB(256),
			MIB(4));
	assert_errno(take(&f, KIB(64)), -ENOSPC);
	assert_non_null(strstr(error_text(), "f: expected at most 4 MiB"));
	/* Space that was given back, and a larger quota. */
	assert_ok(io_zero(f.io, 0, MIB(2), false));
	assert_ok(take(&f, KIB(64)));
	set(&f, "100M");
	assert_ok(take(&f, MIB(50)));
	file_teardown(&f);
}

static void write_larger_than_what_is_left_is_refused(void **state)
{
	struct file f;

	file_setup(&f, state);
	set(&f, "1M");
	assert_errno(take(&f, MIB(1)), -ENOSPC);
	assert_ok(take(&f, KIB(512)));
	assert_errno(take(&f, MIB(1)), -ENOSPC);
	file_teardown(&f);
}

static void attribute_is_a_size(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"-1",
		"1.5G",
		"1 G",
		" 1G",
		"1KB",
		"0x10",
		"9999999999G",
		"00000000000000000000000000000000001"
	};
	uint64_t limit;
	struct file f;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_errno(quota_parse(bad[i], strlen(bad[i]), &limit),
			     -EINVAL);
	assert_errno(quota_parse("1\0", 2, &limit), -EINVAL);
	assert_ok(quota_parse("20Gxxx", 3, &limit));
	assert_int_equal(limit, GIB(20));
	/* Text in the file that is no size is no quota. */
	file_setup(&f, state);
	set(&f, "much");
	assert_errno(quota_read(f.io->fd, "f", &limit), -EINVAL);
	assert_non_null(strstr(error_text(), "expected a size"));
	assert_ok(take(&f, MIB(1)));
	file_teardown(&f);
}

static void attribute_is_written_as_bytes(void **state)
{
	char text[32] = "";
	uint64_t limit;
	struct file f;

	file_setup(&f, state);
	assert_errno(quota_read(f.io->fd, "f", &limit), -ENODATA);
	assert_ok(quota_write(f.io->fd, GIB(20), 0));
	assert_int_equal(fgetxattr(f.io->fd, QUOTA_ATTRIBUTE, text, 31), 11);
	assert_string_equal(text, "21474836480");
	assert_ok(quota_write(f.io->fd, 0, 0));
	assert_errno(quota_write(f.io->fd, 0, 0), -ENODATA);
	file_teardown(&f);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_without_attribute_has_no_quota),
		TEST(file_stays_within_its_quota),
		TEST(write_larger_than_what_is_left_is_refused),
		TEST(attribute_is_a_size),
		TEST(attribute_is_written_as_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
