/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libfuse has a function for this, but what is mounted already would be left
 * dead, or alive behind the back of who wanted it to end, by a signal to a
 * process that just waits for its child.
 */
#include "config.h"

#include "fuse/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"

static bool is_pending(int sig)
{
	sigset_t pending;

	return sigpending(&pending) == 0 && sigismember(&pending, sig) == 1;
}

/* Ends, and the child with it, by what signals there are. */
static void take_signals(pid_t child)
{
	static const int signals[] = { SIGINT, SIGTERM };
	sigset_t set;
	bool any = false;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
		if (!is_pending(signals[i]))
			continue;
		any = true;
		kill(child, signals[i]);
		sigaddset(&set, signals[i]);
	}
	if (!any)
		return;
	waitpid(child, NULL, 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Still here: it is ignored, as far as we are concerned. */
	_exit(EXIT_FAILURE);
}

static _Noreturn void leave_to(pid_t child, int from)
{
	char answer;
	ssize_t n;

	do
		n = read(from, &answer, sizeof answer);
	while (n < 0 && errno == EINTR);
	/* It said why it ended, or a signal ended it, as this one then. */
	if (n != sizeof answer) {
		take_signals(child);
		_exit(EXIT_FAILURE);
	}
	take_signals(child);
	_exit(EXIT_SUCCESS);
}

static int detach(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return fail_errno(-errno, "/dev/null");
	if (setsid() < 0 || chdir("/") < 0)
		return fail_errno(-errno, "going into the background");
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (dup2(null, fd) < 0)
			return fail_errno(-errno, "going into the background");
	return 0;
}

/* Of the new process: where the old one waits for its answer. */
static int answers = -1;

int daemonize_begin(void)
{
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return fail_errno(-errno, "a pipe");
	child = fork();
	if (child > 0) {
		close(ends[1]);
		leave_to(child, ends[0]);
	}
	close(ends[0]);
	if (child < 0) {
		close(ends[1]);
		return fail_errno(-errno, "going into the background");
	}
	answers = ends[1];
	return 0;
}

int daemonize_finish(void)
{
	int r = detach();

	if (r == 0 && write(answers, "", 1) != 1)
		r = fail_errno(-errno, "going into the background");
	close(answers);
	answers = -1;
	return r;
}
