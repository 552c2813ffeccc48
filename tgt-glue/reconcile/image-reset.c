/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reset of a client's image.
 *
 * ORDER, so that a reset that was interrupted at any step and is run again
 * ends in the same state:
 *
 *   1. the target admits no initiator, has no session, and is deleted: tgtd
 *      no longer has the image open                         (execute.c)
 *   2. no other process has the image open: its lock is free
 *   3. the image is renamed to .NAME.vhdx.STAMP, with a stamp greater than
 *      all before it: from here on it is an old image       (old-images.c)
 *   4. a fresh image is created; it takes the client's name when it is
 *      complete
 *   5. the old images with the smallest stamps are removed, except as many as
 *      `keep' says, and those with children
 *   6. the target is created, its disk is the fresh image, and the client is
 *      admitted                                             (execute.c)
 *
 * An image without data is fresh and is not renamed again: after 4, another
 * run continues with 5. After 3 there is no image, and one is created. Between
 * 1 and 6 no initiator is admitted; an apply completes that, too.
 *
 * AN OLD IMAGE IS REMOVED (5) only if it has write permission, no other
 * process has it open (its lock is held here during the removal, and a child
 * is created under that lock), and no image in the store is its child, or may
 * be: an image whose parent cannot be read may be any image's child.
 */
#include "config.h"

#include "tgt-glue/reconcile/image-reset.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "io/rootdir.h"
#include "store/leaf-replace.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/old-images.h"
#include "tgt-glue/config/children.h"
#include "tgt-glue/tgtd/backing-files.h"
#include "tgt-glue/reconcile/space.h"
#include "tgt-glue/reconcile/spare.h"

/* How long to wait for a process that has the view open, and for the mount. */
static const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };
enum { MOMENTS_FOR_USER = 50, MOMENTS = 250 };
enum { NAMES_MAX = 256 };

struct reset {
	struct clients *clients;
	const struct fleet *fleet;
	const struct client *client;
	struct messages *messages;
	int dir;         /* of the clients' images, or -errno */
	const char *old; /* the old image's new path in the store, or null */
	bool removed;    /* the old image was removed (keep = 0) */
	bool spare;      /* the fresh image took a spare file's place */
};

/* Prints a message for the administrator. */
#define note(reset, fmt, ...)                                \
	messages_print((reset)->messages, "%s: image: " fmt, \
		       (reset)->client->name, ##__VA_ARGS__)

/* An image with children must keep its name: they refer to it. */
int image_reset_check_childless(struct clients *clients,
				const struct client *client, const char *image,
				const struct stat *st)
{
	const struct fleet *fleet = clients->fleet;
	_cleanup_free_ char *child = NULL;
	int r;

	if (!(st->st_mode & 0222))
		return fail(
			-EPERM,
			"%s: expected write permission, found none: it may be the parent of another image; where it is not, type `chmod u+w %s' and then `%s'",
			image, shell_path(fleet->store, image),
			clients_replace_command(clients, client));
	r = children_find(fleet->store, &clients->images, st, STORE_CHILDREN,
			  &child);
	if (r < 0)
		return r;
	return child ? fail(-EPERM,
			    "%s: expected an image without children, found that it is the parent of %s; remove or reset that one first, then type `%s'",
			    image, child,
			    clients_replace_command(clients, client))
		     : 0;
}

int image_reset_check(struct clients *clients, const struct client *client,
		      pid_t tgtd)
{
	const struct fleet *fleet = clients->fleet;
	const char *user;
	struct stat st;

	if (fleet_stat(fleet, client->image, &st) < 0)
		return 0;
	for (int i = 0;; i++) {
		user = backing_files_user(clients->arena, client->view, &tgtd,
					  tgtd ? 1 : 0);
		if (!user || i == MOMENTS_FOR_USER)
			break;
		nanosleep(&moment, NULL);
	}
	if (user)
		return fail(
			-EBUSY,
			"its disk is open: %s; end that program, then type `%s'",
			user, clients_replace_command(clients, client));
	return image_reset_check_childless(clients, client, client->image, &st);
}

/* 2.  The mount closes the image a moment after tgtd closed the view. */
int image_reset_wait(const struct fleet *fleet, const char *image)
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
	/* A snapshot or a revert that was interrupted has names of its own. */
	if (r == 0 && leaf_replace_is_pending(&fleet->rootdir, image))
		r = leaf_replace_recover(&fleet->rootdir, image, NULL);
	return r;
}

static int read_old_images(const struct reset *reset, struct old_images *ret)
{
	const struct fleet *fleet = reset->fleet;
	int r = reset->dir < 0
			? reset->dir
			: old_images_read(reset->clients->arena, reset->dir,
					  reset->client->name, ret);

	return r < 0 ? fail_errno(r, "%s/" CLIENTS_DIRECTORY, fleet->store) : 0;
}

/* 3 */
static int rename_to_old(struct reset *reset)
{
	const char *image = reset->client->image;
	const char *name = image + sizeof CLIENTS_DIRECTORY;
	const int dir = reset->dir;
	char text[STAMP_SIZE];
	struct old_images old_images;
	int64_t stamp;
	unsigned tries = NAMES_MAX;
	const char *old;
	int r = read_old_images(reset, &old_images);

	if (r < 0)
		return r;
	stamp = old_images_next_stamp(&old_images, stamp_now());
	/* On a full file system, another name may fit into the directory. */
	do {
		stamp_write(stamp++, text);
		old = arena_printf(reset->clients->arena,
				   CLIENTS_DIRECTORY "/.%s.%s", name, text);
		r = renameat2(dir, name, dir, old + sizeof CLIENTS_DIRECTORY,
			      RENAME_NOREPLACE) < 0
			    ? -errno
			    : 0;
	} while (r == -EEXIST || (error_is_no_space(r) && tries--));
	if (r == 0)
		reset->old = old;
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	return r < 0 ? fail_errno(r, "%s/%s: renaming it", reset->fleet->store,
				  image)
		     : 0;
}

/* Undoes 3 after a failure of 4: the client keeps the old image. */
static void restore(const struct reset *reset)
{
	const int dir = reset->dir;
	struct error why = *error_last();

	if (renameat2(dir, reset->old + sizeof CLIENTS_DIRECTORY, dir,
		      reset->client->image + sizeof CLIENTS_DIRECTORY,
		      RENAME_NOREPLACE) == 0)
		error_set(&why);
	else
		error_advise("its image is %s now", reset->old);
}

/* Under the image's lock: 0, or -errno with a message why it must stay. */
static int check_removable(struct clients *clients, const struct io *io)
{
	_cleanup_free_ char *child = NULL;
	struct stat st;
	int r = 0;

	if (fstat(io->fd, &st) < 0)
		return fail_errno(-errno, "%s", io->name);
	if (!(st.st_mode & 0222))
		return fail(
			-EPERM,
			"it has no write permission, and may be the parent of another image; remove it with rm when it is not");
	r = children_find(clients->fleet->store, &clients->images, &st,
			  STORE_POSSIBLE_CHILDREN, &child);
	if (r < 0)
		return r;
	return child ? fail(-EPERM,
			    "it is, or may be, the parent of %s; remove it with rm when it is not",
			    child)
		     : 0;
}

static int remove_image(struct clients *clients, int dir, const char *name)
{
	const char *path =
		arena_printf(clients->arena, CLIENTS_DIRECTORY "/%s", name);
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = root_dir_open(&clients->fleet->rootdir, path, true, &io, NULL);

	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = check_removable(clients, io);
	if (r == 0 && unlinkat(dir, name, 0) < 0)
		r = fail_errno(-errno, "%s", path);
	return r;
}

/* True if this run renamed the image. */
static bool is_own(const struct reset *reset, const char *name)
{
	return reset->old &&
	       !strcmp(reset->old + sizeof CLIENTS_DIRECTORY, name);
}

static void remove_old(struct reset *reset, const char *name)
{
	struct stat st;

	if (fstatat(reset->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (remove_image(reset->clients, reset->dir, name) < 0)
		note(reset,
		     CLIENTS_DIRECTORY
		     "/%s: not removed: %s; more than `keep = %u' old images exist",
		     name, error_text(), reset->client->keep);
	else if (is_own(reset, name))
		reset->removed = true;
}

/* 5.  The image that this run renamed is removed only if keep is 0. */
static void remove_oldest(struct reset *reset)
{
	const unsigned keep = reset->client->keep;
	struct old_images old_images;

	if (read_old_images(reset, &old_images) < 0) {
		note(reset, "old images stay: %s", error_text());
		return;
	}
	for (size_t i = keep; i < old_images.n; i++)
		if (!keep || !is_own(reset, old_images.v[i].name))
			remove_old(reset, old_images.v[i].name);
	for (size_t i = 0; i < old_images.odd.n; i++)
		note(reset,
		     CLIENTS_DIRECTORY
		     "/%s stays: expected a stamp as 20260131T235959.000001Z at the end of its name, found another; remove it with rm when it is not wanted",
		     old_images.odd.v[i]);
}

/* The image's disk use in bytes. */
static uint64_t disk_use(const struct fleet *fleet, const char *image)
{
	struct stat st;

	return fleet_stat(fleet, image, &st) == 0 ? (uint64_t)st.st_blocks * 512
						  : 0;
}

/* Notes that the store is full: writes to the fresh disk would fail. */
static void note_space(struct reset *reset)
{
	const char *store = reset->fleet->store;
	struct free_space space;

	free_space_read(reset->fleet, &space);
	if (!reset->spare && !free_space_is_low(&space))
		return;
	if (reset->old && !reset->removed)
		note(reset,
		     "the store has %s free, and writes to the fresh disk need room; the old image takes %s: `rm %s' gives it back",
		     size_text(space.free),
		     size_text(disk_use(reset->fleet, reset->old)),
		     shell_path(store, reset->old));
	else
		note(reset,
		     "the store has %s free, and writes to the fresh disk need room; remove what is not needed, such as old images (%s/clients/.NAME.vhdx.DATE)",
		     size_text(space.free), store);
}

/* 2, 3 and 4, of an existing image. */
static int replace(struct clients *clients, struct reset *reset)
{
	int r = image_reset_wait(reset->fleet, reset->client->image);

	if (r < 0)
		return r;
	if (client_image_is_fresh(clients, reset->client))
		return 0;
	r = rename_to_old(reset);
	if (r == 0)
		r = client_image_ensure(clients, reset->client, &reset->spare);
	if (r < 0 && reset->old)
		restore(reset);
	return r;
}

int image_reset_run(struct clients *clients, const struct client *client,
		    struct messages *messages)
{
	const struct fleet *fleet = clients->fleet;
	_cleanup_close_ int dir = spare_directory(fleet);
	struct reset reset = { clients, fleet, client, messages, .dir = dir };
	struct stat st;
	int r = fleet_stat(fleet, client->image, &st);

	if (r < 0)
		r = client_image_ensure(clients, client, &reset.spare);
	else if ((r = image_reset_check_childless(clients, client,
						  client->image, &st)) == 0)
		r = replace(clients, &reset);
	if (r < 0)
		return r;
	clients_state(clients, client)->view = arena_printf(
		clients->arena, "%s/%s.raw", fleet->mount, client->child);
	/* The first image makes the directory. */
	if (dir < 0)
		reset.dir = dir = spare_directory(fleet);
	remove_oldest(&reset);
	if (reset.old)
		print_line(stdout, "%s: image: %s is fresh; the old one is %s",
			   client->name, client->child,
			   reset.removed ? "removed (keep = 0)" : reset.old);
	note_space(&reset);
	client_image_inspect(clients, client);
	return 0;
}

/* The inode of the image's file that the view shows; the view's own stays that
 * of the disk after a snapshot.  0: unknown. */
static ino_t inode_of_view(const char *view)
{
	char text[32];
	ssize_t n = getxattr(view, "user.vhdfs.inode", text, sizeof text - 1);
	struct stat st;

	if (n > 0) {
		text[n] = '\0';
		return (ino_t)strtoull(text, NULL, 10);
	}
	/* A mount of an older version. */
	return stat(view, &st) == 0 ? st.st_ino : 0;
}

int image_reset_shown(const struct clients *clients,
		      const struct client *client)
{
	const struct fleet *fleet = clients->fleet;
	const char *file = clients_state(clients, client)->view;
	struct stat image;
	int r = fleet_stat(fleet, client->child, &image);

	for (int i = 0; r == 0 && i < MOMENTS; i++) {
		if (i)
			nanosleep(&moment, NULL);
		if (inode_of_view(file) == image.st_ino)
			return client_image_view_ready(clients, client);
	}
	if (r < 0)
		return fail_errno(r, "%s/%s", fleet->store, client->child);
	return fail(
		-EIO,
		"%s: expected the fresh image, found another; `tgt-glue apply' tries again",
		file);
}
