/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhdfs: presents a directory of images as a directory of flat files.
 *
 * The store is read and the mount made before the program goes into the
 * background, so whoever called it learns of every failure.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "fuse/background.h"
#include "fuse/options.h"
#include "fuse/session.h"

enum { EXIT_USAGE = 2 };

static int fail_program(int status)
{
	log_error("%s", error_text());
	return status;
}

/* What is opened must not get the number of a standard file that is closed. */
static void open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* Each image that is open takes a descriptor. */
static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* The mount would lie in what it shows, and show itself. */
static int check_not_inside(const char *root, const char *mountpoint)
{
	size_t n = strlen(root);

	if (strncmp(mountpoint, root, n) != 0 ||
	    (n > 1 && mountpoint[n] && mountpoint[n] != '/'))
		return 0;
	return fail(-EINVAL, "%s: lies in the store %s; mount it elsewhere",
		    mountpoint, root);
}

static int check_mountpoint(const char *root, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return fail_errno(-errno, "%s", path);
	if (!S_ISDIR(st.st_mode))
		return fail_errno(-ENOTDIR, "%s", path);
	return check_not_inside(root, real);
}

static int open_store(const struct options *options, struct server *server)
{
	struct store_options so = {
		.path = options->store,
		.parents = options->parents,
		.n_parents = options->n_parents,
		.read_only = options->read_only,
	};
	int r = store_open(&so, &server->store);

	if (r < 0)
		return r;
	server->read_only = options->read_only;
	r = check_mountpoint(store_root(server->store), options->mountpoint);
	if (r == 0)
		r = nodes_new(server->store, &server->nodes);
	return r;
}

/* Flushes all that is open, and only then lets the mount go. */
static int close_store(struct server *server)
{
	int r = 0;

	if (server->nodes)
		nodes_free(server->nodes);
	if (server->store)
		r = store_close(server->store);
	return r;
}

static int into_background(const struct options *options)
{
	int r = options->foreground ? 0 : background_enter();

	if (options->foreground || r < 0)
		return r;
	log_init("vhdfs", LOG_LEVEL_INFO, true);
	return 0;
}

static int run(const struct options *options)
{
	struct server server = { 0 };
	struct session session;
	int r = open_store(options, &server), rc;

	if (r == 0)
		r = session_mount(&server, options->mountpoint, options->mount,
				  &session);
	if (r < 0) {
		fail_program(EXIT_FAILURE);
		close_store(&server);
		return EXIT_FAILURE;
	}
	r = into_background(options);
	if (r == 0)
		r = session_run(&session);
	if (r < 0)
		fail_program(EXIT_FAILURE);
	rc = close_store(&server);
	session_end(&session);
	return r < 0 || rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What is mounted is served by another process, which cannot be told. */
static int refuse_remount(const struct options *options)
{
	fail(-EOPNOTSUPP,
	     "%s: vhdfs cannot be remounted; unmount it, and mount it anew",
	     options->mountpoint);
	return fail_program(EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	struct options options;
	int status = EXIT_SUCCESS;

	open_standard_files();
	log_init("vhdfs", LOG_LEVEL_INFO, false);
	if (options_parse(argc, argv, &options) < 0)
		return fail_program(EXIT_USAGE);
	raise_limits();
	if (options.help)
		options_print_help();
	else if (options.version)
		puts("vhdfs " PACKAGE_VERSION);
	else if (options.remount)
		status = refuse_remount(&options);
	else
		status = run(&options);
	options_fini(&options);
	return status;
}
