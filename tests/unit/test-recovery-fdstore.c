/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the recovery memory's adoption from the descriptor store. */
#include "config.h"

#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "io/recovery-internal.h"

/* The memory after the death of all processes: the manager's descriptor. */
static int stored_memory(void)
{
	int copy = fcntl(recovery.fd, F_DUPFD_CLOEXEC, 3);

	assert_true(copy >= 0);
	recovery_destroy();
	return copy;
}

/* Adopts the memory after spoil has changed its header. */
static int adopt_changed(void (*spoil)(struct recovery_head *head))
{
	char *extra;
	int r;

	assert_ok(recovery_create());
	extra = recovery_extra(16);
	memcpy(extra, "link", sizeof "link");
	if (spoil)
		spoil(recovery.head);
	r = recovery_adopt(stored_memory());
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

static void valid_memory_is_adopted(void **state)
{
	(void)state;
	assert_int_equal(adopt_changed(NULL), 0);
	assert_int_equal(adopt_changed(ended), 0);
}

static void invalid_memory_is_refused(void **state)
{
	(void)state;
	assert_int_equal(adopt_changed(another_version), -EPROTO);
	assert_int_equal(adopt_changed(another_size), -EPROTO);
	assert_int_equal(adopt_changed(not_stored), -ENODATA);
	assert_int_equal(adopt_changed(ended_with_a_failure), -EIO);
	assert_int_equal(adopt_changed(unsound_pages), -EPROTO);
}

static void file_other_than_memory_is_refused(void **state)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_true(recovery_adopt(fd) < 0);
}

/* A STORED file needs its descriptor; another one was never granted. */
static void missing_descriptor_of_stored_file_is_refused(void **state)
{
	(void)state;
	for (int i = NOT_STORED; i <= STORED; i++) {
		assert_ok(recovery_create());
		atomic_store(&recovery.files[3].used, true);
		atomic_store(&recovery.files[3].stored[OF_FILE],
			     (unsigned char)i);
		assert_ok(recovery_adopt(stored_memory()));
		assert_int_equal(recovery_end_adoption(),
				 i == STORED ? -ENODATA : 0);
		recovery_abandon();
	}
}

/* A descriptor of another file than that of the record is not adopted. */
static void descriptor_of_another_file_is_closed(void **state)
{
	int fd;

	(void)state;
	assert_ok(recovery_create());
	atomic_store(&recovery.files[3].used, true);
	atomic_store(&recovery.files[3].stored[OF_FILE], STORED);
	assert_ok(recovery_adopt(stored_memory()));
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
		cmocka_unit_test(valid_memory_is_adopted),
		cmocka_unit_test(invalid_memory_is_refused),
		cmocka_unit_test(file_other_than_memory_is_refused),
		cmocka_unit_test(missing_descriptor_of_stored_file_is_refused),
		cmocka_unit_test(descriptor_of_another_file_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
