/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORDER of a reset, of which any step may be the last:
 *
 *   1. the target admits no initiator, no initiator is logged in, and the
 *      target is deleted: tgtd has the image open no longer    (execute.c)
 *   2. no other process has the image open: its lock can be had
 *   3. the image takes the name .NAME.vhdx.STAMP, of a stamp that is greater
 *      than all before it: it is kept from here on     (old-images.c)
 *   4. a fresh image is made; it takes the client's name when it is whole
 *   5. the images of the smallest stamps are removed, but for as many as
 *      `keep' says, and for those that have children
 *   6. the target is made, its disk is the fresh image, and the client is
 *      admitted                                         (execute.c)
 *
 * Run again it ends in the same state, because an image that holds nothing is
 * fresh already, and is not put aside: after 4 another run goes on with 5.
 * After 3 there is no image, and one is made.  Between 1 and 6 no initiator is
 * admitted; an apply finishes that too.
 *
 * AN OLD IMAGE IS REMOVED (5) only where it has write permission, no other
 * process has it open (its lock is held here while it is removed, and a child
 * is made under that lock), and no image in the store is its child by what that
 * image itself says, or cannot say whose child it is.
 */
/* A client's image put aside, and a fresh one in its place. */
#include "config.h"

#include "tgt-glue/reconcile/image-reset.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "chain/parent-cache.h"
#include "io/io.h"
#include "io/rootdir.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/old-images.h"
#include "tgt-glue/config/children.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/tgtd/backing-files.h"
#include "tgt-glue/reconcile/space.h"

#define DIRECTORY "clients"

/* How long is waited for: what looks at a view is soon done with it. */
static const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };
enum { MOMENTS_FOR_USER = 50, MOMENTS = 250 };
enum { NAMES_MAX = 256 };

/* The client's image in the store, whichever format it has, or null. */
static const char *image_of(struct fleet *fleet, const struct client *client,
			    struct stat *ret)
{
	const char *paths[] = {
		client->child,
		client_image_of_other_format(fleet, client),
	};

	for (size_t i = 0; i < 2 && paths[i]; i++) {
		_cleanup_close_ int fd =
			root_dir_openat(&fleet->rootdir, paths[i], O_PATH);

		if (fd >= 0 && fstat(fd, ret) == 0)
			return paths[i];
	}
	return NULL;
}

/* An image with children stays where they look for it. */
static int check_childless(struct fleet *fleet, const char *image,
			   const struct stat *st)
{
	const char *child;
	int r;

	if (!(st->st_mode & 0222))
		return fail(
			-EPERM,
			"%s: expected write permission, found none: it may be the parent of another image; where it is not, type `chmod u+w %s\' and reset again",
			image, shell_path(fleet->store, image));
	r = children_find(fleet, st, STORE_CHILDREN, &child);
	if (r < 0)
		return r;
	return child ? fail(-EPERM,
			    "%s: expected an image without children, found that it is the parent of %s; remove or reset that one first, then type `tgt-glue reset\' again",
			    image, child)
		     : 0;
}

int image_reset_check(struct fleet *fleet, const struct client *client,
		      pid_t tgtd)
{
	struct arena *arena = &fleet->conf.arena;
	struct stat st;
	const char *image = image_of(fleet, client, &st), *view, *who;

	if (!image)
		return 0;
	view = arena_printf(arena, "%s/%s.raw", fleet->mount, image);
	who = backing_files_user(arena, view, &tgtd, tgtd ? 1 : 0);
	for (int i = 0; who && i < MOMENTS_FOR_USER; i++) {
		nanosleep(&moment, NULL);
		who = backing_files_user(arena, view, &tgtd, tgtd ? 1 : 0);
	}
	if (who)
		return fail(
			-EBUSY,
			"its disk is open: %s; end that program, then type `tgt-glue reset %s\'",
			who, client->name);
	return check_childless(fleet, image, &st);
}

/* 2: tgtd closes it, and the mount a moment later. */
static int wait_for_image(const struct fleet *fleet, const char *image)
{
	int r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < MOMENTS; i++) {
		_cleanup_(io_close_p) struct io *io = NULL;

		if (i)
			nanosleep(&moment, NULL);
		r = root_dir_open(&fleet->rootdir, image, true, &io, NULL);
		if (r == 0)
			r = io_lock(io, IO_LOCK_EXCLUSIVE);
	}
	return r;
}

/* Microseconds since 1970. */
static int64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int open_directory(const struct fleet *fleet)
{
	int fd = root_dir_openat(&fleet->rootdir, DIRECTORY,
				 O_RDONLY | O_DIRECTORY);

	return fd < 0 ? fail_errno(fd, "%s/" DIRECTORY, fleet->store) : fd;
}

static int read_kept(struct fleet *fleet, const struct client *client, int dir,
		     struct old_images *ret)
{
	int r = old_images_read(&fleet->conf.arena, dir, client->name, ret);

	return r < 0 ? fail_errno(r, "%s/" DIRECTORY, fleet->store) : 0;
}

/* 3. *ret_old is the new name, of the fleet's pool. */
static int put_aside(struct fleet *fleet, const struct client *client, int dir,
		     const char *image, const char **ret_old)
{
	const char *name = image + sizeof DIRECTORY;
	char text[STAMP_SIZE];
	struct old_images kept;
	int64_t stamp;
	unsigned tries = NAMES_MAX;
	int r = read_kept(fleet, client, dir, &kept);

	if (r < 0)
		return r;
	stamp = old_images_next_stamp(&kept, clock_now());
	/* A full directory on a full store may have room for another name. */
	do {
		stamp_write(stamp++, text);
		*ret_old = arena_printf(&fleet->conf.arena, DIRECTORY "/.%s.%s",
					name, text);
		r = renameat2(dir, name, dir, *ret_old + sizeof DIRECTORY,
			      RENAME_NOREPLACE) < 0
			    ? -errno
			    : 0;
	} while (r == -EEXIST || (error_is_no_space(r) && tries--));
	if (r < 0)
		*ret_old = NULL;
	else if (fsync(dir) < 0)
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

static void tell(struct fleet *fleet, struct image_reset *aside,
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* To the administrator, beside what became of the reset. */
static void tell(struct fleet *fleet, struct image_reset *aside,
		 const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	strings_add(&fleet->conf.arena, &aside->told,
		    arena_strdup(&fleet->conf.arena, text));
}

/* Under its lock: 0, or why it must stay, with words. */
static int check_removable(struct fleet *fleet, const struct io *io)
{
	const char *child;
	struct stat st;
	int r = 0;

	if (fstat(io->fd, &st) < 0)
		return fail_errno(-errno, "%s", io->name);
	if (!(st.st_mode & 0222))
		return fail(
			-EPERM,
			"it has no write permission, and may be the parent of another image; remove it with rm when it is not");
	r = children_find(fleet, &st, STORE_POSSIBLE_CHILDREN, &child);
	if (r < 0)
		return r;
	return child ? fail(-EPERM,
			    "it is, or may be, the parent of %s; remove it with rm when it is not",
			    child)
		     : 0;
}

static int remove_image(struct fleet *fleet, int dir, const char *name)
{
	const char *path =
		arena_printf(&fleet->conf.arena, DIRECTORY "/%s", name);
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = root_dir_open(&fleet->rootdir, path, true, &io, NULL);

	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = check_removable(fleet, io);
	if (r == 0 && unlinkat(dir, name, 0) < 0)
		r = fail_errno(-errno, "%s", path);
	return r;
}

/* Is it the one that this run put aside? */
static bool is_own(const struct image_reset *aside, const char *name)
{
	return aside->old && !strcmp(aside->old + sizeof DIRECTORY, name);
}

static void remove_old(struct fleet *fleet, struct image_reset *aside, int dir,
		       const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (remove_image(fleet, dir, name) < 0)
		tell(fleet, aside,
		     DIRECTORY "/%s stays, though `keep\' is over: %s", name,
		     error_text());
	else if (is_own(aside, name))
		aside->removed = true;
}

/* 5. The image that this run put aside goes with keep = 0 alone. */
static void remove_oldest(struct fleet *fleet, const struct client *client,
			  int dir, struct image_reset *aside)
{
	struct old_images kept;

	if (read_kept(fleet, client, dir, &kept) < 0) {
		tell(fleet, aside, "old images stay: %s", error_text());
		return;
	}
	for (size_t i = client->keep; i < kept.n; i++)
		if (!client->keep || !is_own(aside, kept.v[i].name))
			remove_old(fleet, aside, dir, kept.v[i].name);
	for (size_t i = 0; i < kept.odd.n; i++)
		tell(fleet, aside,
		     DIRECTORY
		     "/%s stays: expected a stamp as 20260131T235959.000001Z at the end of its name, found another; remove it with rm when it is not wanted",
		     kept.odd.v[i]);
}

/* What an image takes on disk. */
static uint64_t disk_use(const struct fleet *fleet, const char *image)
{
	_cleanup_close_ int fd =
		root_dir_openat(&fleet->rootdir, image, O_PATH);
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_blocks * 512
					      : 0;
}

/* A fresh disk on a full store is no disk that can be written to. */
static void tell_space(struct fleet *fleet, struct image_reset *aside)
{
	struct free_space space;

	free_space_read(fleet, &space);
	if (!aside->spare && !free_space_is_low(&space))
		return;
	if (aside->old && !aside->removed)
		tell(fleet, aside,
		     "the store has %s free, and writes to the fresh disk need room; the old image takes %s: `rm %s\' gives it back",
		     status_size(space.free),
		     status_size(disk_use(fleet, aside->old)),
		     shell_path(fleet->store, aside->old));
	else
		tell(fleet, aside,
		     "the store has %s free, and writes to the fresh disk need room; remove what is not needed, such as images put aside (%s/clients/.NAME.vhdx.DATE)",
		     status_size(space.free), fleet->store);
}

/* 3 and 4, of an image that is there. */
static int replace(struct clients *clients, const struct client *client,
		   int dir, const char *image, struct image_reset *aside)
{
	struct fleet *fleet = clients->fleet;
	int r = wait_for_image(fleet, image);

	if (r < 0)
		return r;
	if (client_image_is_fresh(clients, client))
		return 0;
	r = put_aside(fleet, client, dir, image, &aside->old);
	if (r == 0)
		r = client_image_ensure(fleet, client, &aside->spare);
	if (r < 0 && aside->old) {
		take_back(dir, image, aside->old);
		aside->old = NULL;
	}
	return r;
}

int image_reset_run(struct clients *clients, const struct client *client,
		    struct image_reset *ret)
{
	struct fleet *fleet = clients->fleet;
	struct stat st;
	const char *image = image_of(fleet, client, &st);
	_cleanup_close_ int dir = -1;
	int r;

	*ret = (struct image_reset){ 0 };
	if (!image) {
		r = client_image_ensure(fleet, client, &ret->spare);
	} else {
		r = dir = open_directory(fleet);
		if (r >= 0)
			r = check_childless(fleet, image, &st);
		if (r == 0)
			r = replace(clients, client, dir, image, ret);
	}
	if (r < 0)
		return r;
	clients_state(clients, client)->view = arena_printf(
		&fleet->conf.arena, "%s/%s.raw", fleet->mount, client->child);
	if (dir < 0)
		dir = open_directory(fleet);
	if (dir >= 0)
		remove_oldest(fleet, client, dir, ret);
	tell_space(fleet, ret);
	client_image_inspect(clients, client);
	return 0;
}

int image_reset_shown(const struct clients *clients,
		      const struct client *client)
{
	const struct fleet *fleet = clients->fleet;
	const char *file = clients_state(clients, client)->view;
	_cleanup_close_ int fd =
		root_dir_openat(&fleet->rootdir, client->child, O_PATH);
	struct stat image, view;
	int r = fd < 0 ? fd : fstat(fd, &image) < 0 ? -errno : 0;

	for (int i = 0; r == 0 && i < MOMENTS; i++) {
		if (i)
			nanosleep(&moment, NULL);
		if (stat(file, &view) == 0 && view.st_ino == image.st_ino)
			return client_image_view_ready(clients, client);
	}
	if (r < 0)
		return fail_errno(r, "%s/%s", fleet->store, client->child);
	return fail(
		-EIO,
		"%s: expected the fresh image, found another; `tgt-glue apply\' tries again",
		file);
}
