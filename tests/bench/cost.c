/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the time and memory of a command.
 *
 *     cost COMMAND [ARGUMENT...]
 *
 * Prints its seconds, and the largest resident size in MiB.  The command's
 * standard output is discarded.  Exits 1 when the command fails.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	double begun = now();
	struct rusage usage;
	int status, null;
	pid_t pid;

	if (argc < 2) {
		fputs("usage: cost COMMAND [ARGUMENT...]\n", stderr);
		return 2;
	}
	/* Not fork: the child would share, and so be charged with, the pages of
	 * this process. */
	pid = vfork();
	if (pid < 0)
		err(1, "vfork");
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, 1);
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) < 0)
		err(1, "wait4");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(1, "%s failed: status %d", argv[1], status);
	printf("%.6f %.3f\n", now() - begun, (double)usage.ru_maxrss / 1024);
	return 0;
}
