/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs: shows a directory of disk images as a directory of raw disks.
 *
 * This process becomes the supervisor (supervisor.h).  Its child, the worker
 * (worker.h), serves the mount.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "fuse/mount.h"
#include "fuse/options.h"
#include "fuse/supervisor.h"
#include "fuse/upgrade.h"

enum { EXIT_USAGE = 2 };

static int fail_program(int status)
{
	log_error("%s", error_text());
	return status;
}

/* If a standard file is closed, a file that is opened later would get its
 * number, and messages would be written into it. */
static void open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Each open image needs a descriptor or two. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* Another process serves the mount, and cannot change its options. */
static int refuse_remount(const struct options *options)
{
	fail(-EOPNOTSUPP,
	     "%s: vhdfs cannot be remounted; unmount it, and mount it again",
	     options->mountpoint);
	return fail_program(EXIT_FAILURE);
}

/* Fails if this libfuse cannot serve a mount: a hand-over runs the new program
 * with --version before it executes it (upgrade.c). */
static int print_version(void)
{
	printf("vhdfs " PACKAGE_VERSION " (libfuse %s)\n" UPGRADE_VERSION_LINE
	       "\n",
	       fuse_pkgversion());
	return mount_check_libfuse() < 0 ? fail_program(EXIT_FAILURE)
					 : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = EXIT_SUCCESS, r;

	open_standard_files();
	log_init("vhdfs", LOG_LEVEL_INFO, false);
	r = options_parse(argc, argv, &options);
	if (r < 0)
		return fail_program(r == -ENOMEM ? EXIT_FAILURE : EXIT_USAGE);
	raise_limits();
	if (options.help)
		options_print_help();
	else if (options.version)
		status = print_version();
	else if (options.remount)
		status = refuse_remount(&options);
	else
		status = supervise(&options);
	options_fini(&options);
	return status;
}
