/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of root directories: paths, and hosts without the call openat2. */
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "io/rootdir.h"

/* Makes openat2 fail with this errno in the calling process. */
static bool forbid_openat2(int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { AS_EXPECTED, OTHER_RESULT, OTHER_MESSAGE, NO_SECCOMP };

static int init_without_openat2(int code)
{
	struct root_dir rootdir;
	int r;

	if (!forbid_openat2(code))
		return NO_SECCOMP;
	r = root_dir_init(&rootdir, "/");
	if (r != -EOPNOTSUPP)
		return OTHER_RESULT;
	if (!strstr(error_text(), "/: openat2: ") ||
	    !strstr(error_text(), "Linux 5.6") ||
	    !strstr(error_text(), "seccomp"))
		return OTHER_MESSAGE;
	return AS_EXPECTED;
}

/* In a process of its own: a filter cannot be removed. */
static void check(int (*run)(int code), int code)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run(code));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_SECCOMP)
		skip();
	assert_int_equal(WEXITSTATUS(status), AS_EXPECTED);
}

static void missing_openat2_is_reported(void **state)
{
	(void)state;
	check(init_without_openat2, ENOSYS);
}

static void forbidden_openat2_is_reported(void **state)
{
	(void)state;
	check(init_without_openat2, EPERM);
}

static int open_without_openat2(int code)
{
	const struct root_dir rootdir = { .fd = AT_FDCWD, .path = "" };
	int fd;

	if (!forbid_openat2(code))
		return NO_SECCOMP;
	fd = root_dir_openat(&rootdir, "/", O_RDONLY);
	return fd < 0 ? OTHER_RESULT : AS_EXPECTED;
}

static void unconfined_directory_needs_no_openat2(void **state)
{
	(void)state;
	check(open_without_openat2, ENOSYS);
}

static void path_below_root_is_found(void **state)
{
	(void)state;
	assert_string_equal(root_dir_below("/a", "/a/b/c"), "b/c");
	assert_string_equal(root_dir_below("/a", "/a"), ".");
	assert_string_equal(root_dir_below("/", "/a"), "a");
	assert_string_equal(root_dir_below("/", "/"), ".");
	assert_null(root_dir_below("/a", "/ab"));
	assert_null(root_dir_below("/a/b", "/a"));
	assert_null(root_dir_below("/a", "/b/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_below_root_is_found),
		cmocka_unit_test(missing_openat2_is_reported),
		cmocka_unit_test(forbidden_openat2_is_reported),
		cmocka_unit_test(unconfined_directory_needs_no_openat2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
