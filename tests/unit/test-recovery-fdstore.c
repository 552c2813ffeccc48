/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kept memory that a service manager held: what of it is adopted. */
#include "config.h"

#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "io/recovery-internal.h"

/* The memory as a manager has it when its processes are gone: a descriptor. */
static int left(void)
{
	int copy = fcntl(recovery.fd, F_DUPFD_CLOEXEC, 3);

	assert_true(copy >= 0);
	recovery_destroy();
	return copy;
}

/* Adopts it with a head that spoil has changed. */
static int adopt_spoiled(void (*spoil)(struct recovery_head *head))
{
	char *extra;
	int r;

	assert_ok(recovery_create());
	extra = recovery_extra(16);
	memcpy(extra, "link", sizeof "link");
	if (spoil)
		spoil(recovery.head);
	r = recovery_adopt(left());
	if (r < 0)
		return r;
	assert_ok(recovery_end_adoption());
	assert_null(recovery_extra(17));
	extra = recovery_extra(16);
	assert_string_equal(extra, "link");
	recovery_abandon();
	return 0;
}

static void another_version(struct recovery_head *head)
{
	head->version++;
}

static void another_size(struct recovery_head *head)
{
	head->open_size++;
}

static void not_stored(struct recovery_head *head)
{
	atomic_store(&head->unstored, true);
}

static void ended(struct recovery_head *head)
{
	atomic_store(&head->ending, true);
}

static void ended_with_a_failure(struct recovery_head *head)
{
	atomic_store(&head->lost, true);
	atomic_store(&head->ending, true);
}

static void unsound_pages(struct recovery_head *head)
{
	atomic_store(&head->pool_used[0], SIZE_MAX);
}

static void memory_that_is_whole_is_adopted(void **state)
{
	(void)state;
	assert_int_equal(adopt_spoiled(NULL), 0);
	assert_int_equal(adopt_spoiled(ended), 0);
}

static void memory_that_is_not_whole_is_refused(void **state)
{
	(void)state;
	assert_int_equal(adopt_spoiled(another_version), -EPROTO);
	assert_int_equal(adopt_spoiled(another_size), -EPROTO);
	assert_int_equal(adopt_spoiled(not_stored), -ENODATA);
	assert_int_equal(adopt_spoiled(ended_with_a_failure), -EIO);
	assert_int_equal(adopt_spoiled(unsound_pages), -EPROTO);
}

static void another_file_is_refused(void **state)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_true(recovery_adopt(fd) < 0);
}

/* Of a file that was stored the descriptor must be there; one that was not
 * stored yet was never granted. */
static void only_a_stored_file_can_be_missing(void **state)
{
	(void)state;
	for (int i = NOT_STORED; i <= STORED; i++) {
		assert_ok(recovery_create());
		atomic_store(&recovery.files[3].used, true);
		atomic_store(&recovery.files[3].stored[OF_FILE],
			     (unsigned char)i);
		assert_ok(recovery_adopt(left()));
		assert_int_equal(recovery_end_adoption(),
				 i == STORED ? -ENODATA : 0);
		recovery_abandon();
	}
}

/* Another file than that of the place is none of its descriptors. */
static void another_descriptor_is_closed(void **state)
{
	int fd;

	(void)state;
	assert_ok(recovery_create());
	atomic_store(&recovery.files[3].used, true);
	atomic_store(&recovery.files[3].stored[OF_FILE], STORED);
	assert_ok(recovery_adopt(left()));
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(recovery_adopt_file("f3", fd));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(recovery_end_adoption(), -ENODATA);
	assert_false(recovery_adopt_file("fuse", 99));
	assert_false(recovery_adopt_file("f99999999", 99));
	assert_false(recovery_adopt_file("f3x", 99));
	assert_false(recovery_adopt_file("x3", 99));
	recovery_abandon();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_is_whole_is_adopted),
		cmocka_unit_test(memory_that_is_not_whole_is_refused),
		cmocka_unit_test(another_file_is_refused),
		cmocka_unit_test(only_a_stored_file_can_be_missing),
		cmocka_unit_test(another_descriptor_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
