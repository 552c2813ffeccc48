/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORDER of a reset, of which any step may be the last:
 *
 *   1. nobody is admitted to the target, nobody is logged in, and the target
 *      is deleted: tgtd has the image open no longer    (carry.c)
 *   2. nobody else has the image open: its lock can be had
 *   3. the image takes the name .NAME.vhdx.DATE: it is kept from here on
 *   4. a fresh image is made; it takes the client's name when it is whole
 *   5. what is older than `keep' says is removed
 *   6. the target is made, its disk is the fresh image, and who is to be is
 *      admitted                                         (carry.c)
 *
 * Run again it ends in the same state, because an image that holds nothing is
 * fresh already, and is not put aside: after 4 another run goes on with 5.
 * After 3 there is no image, and one is made.  Between 1 and 6 nobody is
 * admitted; an apply finishes that too.
 */
#include "config.h"

#include "tgt-glue/aside.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "chain/family.h"
#include "io/io.h"
#include "tgt-glue/children.h"
#include "tgt-glue/values.h"
#include "tgt-glue/files.h"

#define DIRECTORY "clients"

/* How long is waited for: what looks at a view is soon done with it. */
static const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };
enum { MOMENTS_FOR_USER = 50, MOMENTS = 250 };

/* The client's image in the store, whichever format it has, or null. */
static const char *image_of(struct fleet *fleet, const struct client *client,
			    struct stat *ret)
{
	const char *paths[] = {
		client->child,
		pool_printf(&fleet->conf.pool, DIRECTORY "/%s.%s", client->name,
			    value_ending(client->child) == 'd' ? "vhdx"
							       : "vhd"),
	};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		_cleanup_close_ int fd =
			place_openat(&fleet->place, paths[i], O_PATH);

		if (fd >= 0 && fstat(fd, ret) == 0)
			return paths[i];
	}
	return NULL;
}

static int check_permission(const char *image, const struct stat *st)
{
	if (st->st_mode & 0222)
		return 0;
	return fail(
		-EPERM,
		"%s: expected write permission, found none: it may be the parent of another image",
		image);
}

int aside_check(struct fleet *fleet, const struct client *client, pid_t tgtd)
{
	struct pool *pool = &fleet->conf.pool;
	struct stat st;
	const char *image = image_of(fleet, client, &st), *view, *who;

	if (!image)
		return 0;
	view = pool_printf(pool, "%s/%s.raw", fleet->mount, image);
	who = files_user(pool, view, &tgtd, tgtd ? 1 : 0);
	for (int i = 0; who && i < MOMENTS_FOR_USER; i++) {
		nanosleep(&moment, NULL);
		who = files_user(pool, view, &tgtd, tgtd ? 1 : 0);
	}
	if (who)
		return fail(-EBUSY, "its disk is open: %s", who);
	return check_permission(image, &st);
}

/* 2: tgtd closes it, and the mount a moment later. */
static int wait_for_image(const struct fleet *fleet, const char *image)
{
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < MOMENTS; i++) {
		_cleanup_(io_close_p) struct io *io = NULL;

		if (i)
			nanosleep(&moment, NULL);
		r = place_open(&fleet->place, image, true, &io, NULL);
		if (r == 0)
			r = io_lock(io, IO_LOCK_EXCLUSIVE);
	}
	return r;
}

/* "20260131T235959.000001Z": sorts as time goes on, and none has one twice. */
static void write_date(char text[48])
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, 16, "%Y%m%dT%H%M%S", &tm);
	snprintf(text + 15, 32, ".%06ldZ", now.tv_nsec / 1000);
}

static bool is_date(const char *text)
{
	static const char like[] = "00000000T000000.000000Z";
	size_t i;

	for (i = 0; like[i]; i++)
		if (like[i] == '0' ? !isdigit((unsigned char)text[i])
				   : text[i] != like[i])
			return false;
	return !text[i];
}

static int open_directory(const struct fleet *fleet)
{
	int fd = place_openat(&fleet->place, DIRECTORY, O_RDONLY | O_DIRECTORY);

	return fd < 0 ? fail_errno(fd, "%s/" DIRECTORY, fleet->store) : fd;
}

/* 3. *ret_old is the new name, of the fleet's pool. */
static int put_aside(struct fleet *fleet, int dir, const char *image,
		     const char **ret_old)
{
	const char *name = image + sizeof DIRECTORY;
	char date[48];
	int r;

	do {
		write_date(date);
		*ret_old = pool_printf(&fleet->conf.pool, DIRECTORY "/.%s.%s",
				       name, date);
		r = renameat2(dir, name, dir, *ret_old + sizeof DIRECTORY,
			      RENAME_NOREPLACE) < 0
			    ? -errno
			    : 0;
	} while (r == -EEXIST);
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	return r < 0 ? fail_errno(r, "%s/%s: putting it aside", fleet->store,
				  image)
		     : 0;
}

/* A fresh one could not be made: the client keeps what it had. */
static void take_back(int dir, const char *image, const char *old)
{
	struct error why = *error_last();

	if (renameat2(dir, old + sizeof DIRECTORY, dir,
		      image + sizeof DIRECTORY, RENAME_NOREPLACE) == 0)
		error_set(&why);
	else
		error_advise("its image is %s now", old);
}

/* The date in the name of an image that was put aside of this client's; null
 * for any other name. */
static const char *date_of(const struct client *client, const char *name)
{
	size_t n = strlen(client->name);

	if (*name != '.' || strncmp(name + 1, client->name, n) != 0)
		return NULL;
	name += 1 + n;
	if (!strncmp(name, ".vhdx.", 6))
		name += 6;
	else if (!strncmp(name, ".vhd.", 5))
		name += 5;
	else
		return NULL;
	return is_date(name) ? name : NULL;
}

static int newest_first(const void *a, const void *b)
{
	/* By the dates at their ends, which are of one length. */
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	const size_t n = sizeof "00000000T000000.000000Z" - 1;

	return strcmp(y + strlen(y) - n, x + strlen(x) - n);
}

/* 5 */
static void remove_oldest(const struct client *client, int dir_fd)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct pool pool = { 0 };
	struct strings old = { 0 };
	struct stat st;

	dir = fdopendir(openat(dir_fd, ".", O_RDONLY | O_CLOEXEC));
	for (struct dirent *e; dir && (e = readdir(dir));)
		if (date_of(client, e->d_name) &&
		    fstatat(dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			strings_add(&pool, &old, pool_strdup(&pool, e->d_name));
	if (old.n)
		qsort(old.v, old.n, sizeof *old.v, newest_first);
	for (size_t i = client->keep; i < old.n; i++)
		unlinkat(dir_fd, old.v[i], 0);
	pool_fini(&pool);
}

/* 3 and 4, of an image that is there. */
static int replace(struct fleet *fleet, struct client *client, int dir,
		   const char *image, const char **ret_old)
{
	int r = wait_for_image(fleet, image);

	if (r < 0)
		return r;
	if (children_fresh(fleet, client))
		return 0;
	r = put_aside(fleet, dir, image, ret_old);
	if (r == 0)
		r = children_make(fleet, client);
	if (r < 0 && *ret_old) {
		take_back(dir, image, *ret_old);
		*ret_old = NULL;
	}
	return r;
}

int aside_reset(struct fleet *fleet, struct client *client,
		const char **ret_old)
{
	struct stat st;
	const char *image = image_of(fleet, client, &st);
	_cleanup_close_ int dir = -1;
	int r;

	*ret_old = NULL;
	if (!image) {
		r = children_make(fleet, client);
	} else {
		r = dir = open_directory(fleet);
		if (r >= 0)
			r = check_permission(image, &st);
		if (r == 0)
			r = replace(fleet, client, dir, image, ret_old);
	}
	if (r < 0)
		return r;
	client->view = pool_printf(&fleet->conf.pool, "%s/%s.raw", fleet->mount,
				   client->child);
	if (dir < 0)
		dir = open_directory(fleet);
	if (dir >= 0)
		remove_oldest(client, dir);
	children_sector_sizes(fleet);
	return 0;
}

int aside_shown(const struct fleet *fleet, const struct client *client)
{
	_cleanup_close_ int fd =
		place_openat(&fleet->place, client->child, O_PATH);
	struct stat image, view;
	int r = fd < 0 ? fd : fstat(fd, &image) < 0 ? -errno : 0;

	for (int i = 0; r == 0 && i < MOMENTS; i++) {
		if (i)
			nanosleep(&moment, NULL);
		if (stat(client->view, &view) == 0 &&
		    view.st_ino == image.st_ino)
			return children_view_ready(fleet, client);
	}
	if (r < 0)
		return fail_errno(r, "%s/%s", fleet->store, client->child);
	return fail(-EIO, "%s: expected the fresh image, found another",
		    client->view);
}
