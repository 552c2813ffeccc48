/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs the program vhdfs-img: spawn, collect its messages, wait. */
#include "config.h"

#include "tgt-glue/base/vhdfs-img.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define PROGRAM "vhdfs-img"

/* As system(3): the terminal's signals are for the program that runs. */
struct signals {
	struct sigaction interrupt, quit;
};

static void ignore_signals(struct signals *before)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGINT, &ignore, &before->interrupt);
	sigaction(SIGQUIT, &ignore, &before->quit);
}

static void restore_signals(const struct signals *before)
{
	sigaction(SIGINT, &before->interrupt, NULL);
	sigaction(SIGQUIT, &before->quit, NULL);
}

/* output: of its standard output; -1: dropped.  Returns 0 or a positive errno.
 */
static int spawn(const char *const argv[], int output, int messages, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t terminal;
	int r;

	sigemptyset(&terminal);
	sigaddset(&terminal, SIGINT);
	sigaddset(&terminal, SIGQUIT);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	if (output >= 0)
		posix_spawn_file_actions_adddup2(&actions, output,
						 STDOUT_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO,
						 "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, messages, STDERR_FILENO);
	posix_spawnattr_setsigdefault(&attr, &terminal);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	r = posix_spawnp(ret, PROGRAM, &actions, &attr, (char *const *)argv,
			 environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return r;
}

/* Copies the first line of text, without the program's name. */
static void copy_line(char *text, char *line, size_t size)
{
	text[strcspn(text, "\n")] = '\0';
	snprintf(line, size, "%.*s", (int)size - 1,
		 strncmp(text, PROGRAM ": ", strlen(PROGRAM ": ")) != 0
			 ? text
			 : text + strlen(PROGRAM ": "));
}

/* Reads to the end; keeps the first line. */
static void read_first(int fd, char *line, size_t size)
{
	char text[4096], rest[4096];
	size_t used = 0;
	ssize_t n;

	while (used < sizeof text - 1 &&
	       ((n = read(fd, text + used, sizeof text - 1 - used)) > 0 ||
		(n < 0 && errno == EINTR)))
		used += n > 0 ? (size_t)n : 0;
	text[used] = '\0';
	while ((n = read(fd, rest, sizeof rest)) > 0 ||
	       (n < 0 && errno == EINTR))
		;
	copy_line(text, line, size);
}

/* Reads to the end; keeps the last line. */
static void read_last(int fd, char *line, size_t size)
{
	char text[4096];
	size_t used = 0;
	ssize_t n;

	while ((n = read(fd, text + used, sizeof text - 1 - used)) > 0 ||
	       (n < 0 && errno == EINTR)) {
		char *end;

		used += n > 0 ? (size_t)n : 0;
		text[used] = '\0';
		/* Only the last line is needed. */
		while ((end = strchr(text, '\n')) && end[1]) {
			used -= (size_t)(end + 1 - text);
			memmove(text, end + 1, used + 1);
		}
		if (used == sizeof text - 1)
			used = 0;
	}
	text[used] = '\0';
	copy_line(text, line, size);
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(-errno, PROGRAM);
	if (WIFSIGNALED(status))
		return fail(-EINTR, PROGRAM ": ended by signal %d",
			    WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* Returns the exit status, or -errno with a message. */
static int run(const char *const argv[], bool first, char *line, size_t size)
{
	_cleanup_close_ int in = -1, out = -1;
	struct signals before;
	int fds[2], r;
	pid_t pid;

	*line = '\0';
	if (pipe2(fds, O_CLOEXEC) < 0)
		return fail_errno(-errno, PROGRAM);
	in = fds[0];
	out = fds[1];
	ignore_signals(&before);
	r = -spawn(argv, first ? out : -1, out, &pid);
	close_p(&out);
	out = -1;
	if (r < 0) {
		fail_errno(r, PROGRAM ": running it");
	} else {
		(first ? read_first : read_last)(in, line, size);
		r = wait_for(pid);
	}
	restore_signals(&before);
	return r;
}

int vhdfs_img_run(const char *const argv[])
{
	char line[700];
	int r = run(argv, false, line, sizeof line);

	if (r > 0)
		r = fail(-EIO, "%s",
			 *line ? line : PROGRAM ": failed without a message");
	return r;
}

int vhdfs_img_status(const char *const argv[], char *line, size_t size)
{
	return run(argv, true, line, size);
}
