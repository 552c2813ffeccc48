/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Daemonize: continue in a background process, after its start has succeeded.
 *
 * libfuse's fuse_daemonize does not pass signals to the new process: SIGINT to
 * the waiting process would leave a mount behind.
 */
#include "config.h"

#include "fuse/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "fuse/end-signal.h"

/* The old process. */
static _Noreturn void wait_for_child(pid_t child, int from)
{
	sigset_t set;
	char result;
	ssize_t n;
	int sig;

	do
		n = read(from, &result, sizeof result);
	while (n < 0 && errno == EINTR);
	sig = pending_end_signal();
	if (sig) {
		kill(child, sig);
		waitpid(child, NULL, 0);
		sigemptyset(&set);
		sigaddset(&set, sig);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		/* Not reached, unless the signal is ignored. */
		_exit(EXIT_FAILURE);
	}
	/* Else the child has logged an error, or a signal ended it. */
	_exit(n == sizeof result ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* The call has failed with errno. */
static int fail_step(const char *call)
{
	const int r =
		fail_errno(-errno, "starting the background process: %s", call);

	error_advise("use -f to stay in the foreground");
	return r;
}

static int detach(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return fail_errno(-errno, "/dev/null");
	if (setsid() < 0)
		return fail_step("setsid");
	if (chdir("/") < 0)
		return fail_step("chdir to /");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return fail_step("dup2");
	return 0;
}

/* In the new process: the pipe from which the old one reads the result. */
static int result_pipe = -1;

int daemonize_begin(void)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_step("pipe2");
	child = fork();
	if (child > 0) {
		close(ends[1]);
		wait_for_child(child, ends[0]);
	}
	close(ends[0]);
	if (child < 0) {
		close(ends[1]);
		return fail_step("fork");
	}
	result_pipe = ends[1];
	return 0;
}

int daemonize_finish(void)
{
	int r = detach();

	if (r == 0 && write(result_pipe, "", 1) != 1)
		r = fail_step("write to the pipe of the first process");
	close(result_pipe);
	result_pipe = -1;
	return r;
}
