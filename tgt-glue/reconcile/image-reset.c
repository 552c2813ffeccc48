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
 *   3. an image without data, of another version of the master, is replaced by
 *      a fresh one in one step: nothing is put aside, and 4 and 5 are left out.
 *      Any other image is renamed to .NAME.vhdx.STAMP, with a stamp greater
 * than all before it: from here on it is an old image       (old-images.c)
 *   4. a fresh image is created; it takes the client's name when it is
 *      complete
 *   5. the old images with the smallest stamps are removed, except as many as
 *      `keep' says, those that are younger than `keep-age', and those with
 *      children.  One with data stays until there are as many newer ones with
 *      data: an image that only shows a snapshot takes the place of none
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
#include "base/json.h"
#include "io/file-id.h"
#include "io/lent-bit.h"
#include "base/printable.h"
#include "io/rootdir.h"
#include "store/image-names.h"
#include "store/leaf-replace.h"
#include "tgt-glue/base/events.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/kept-image.h"
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
	const struct disk *disk;
	struct messages *messages;
	const char *directory; /* of the image, in the store */
	int dir;               /* the same, open; or -errno */
	const char *old; /* the old image's new path in the store, or null */
	bool removed;    /* the old image was removed (keep = 0) */
	bool followed;   /* an image without data was replaced, or stayed */
	bool spare;      /* the fresh image took a spare file's place */
};

/* Begins messages. */
static const char *title_of(const struct reset *reset)
{
	struct arena *arena = reset->clients->arena;

	return arena_printf(arena, "%s: image", disk_words(arena, reset->disk));
}

/* Prints a message for the administrator. */
#define note(reset, fmt, ...)                                          \
	messages_print((reset)->messages, "%s: " fmt, title_of(reset), \
		       ##__VA_ARGS__)

/* The name in its directory of a path in the store. */
static const char *base_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* An image with children must keep its name: they refer to it. */
int image_reset_check_childless(struct clients *clients,
				const struct disk *disk, const char *image,
				const struct stat *st)
{
	const struct fleet *fleet = clients->fleet;
	_cleanup_free_ char *child = NULL;
	int r;

	if (!mode_write_bits(st->st_mode))
		return fail(
			-EPERM,
			"%s: expected write permission, found none: it may be the parent of another image; where it is not, type `chmod u+w %s' and then `%s'",
			image, shell_path(fleet->store, image),
			clients_replace_command(clients, disk));
	r = children_find(fleet->store, &clients->images, st, STORE_CHILDREN,
			  &child);
	if (r < 0)
		return r;
	return child ? fail(-EPERM,
			    "%s: expected an image without children, found that it is the parent of %s; remove or reset that one first, then type `%s'",
			    image, child,
			    clients_replace_command(clients, disk))
		     : 0;
}

/* Views that processes had open at the first check of a step. */
struct open_views {
	bool read;
	struct index names;
};

void image_resets_begin(struct clients *clients)
{
	clients->open_views =
		arena_alloc(clients->arena, sizeof *clients->open_views);
}

void image_resets_end(struct clients *clients)
{
	clients->open_views = NULL;
}

/* Another process than tgtd that has the disk's view open, or null. */
static const char *user_of(struct clients *clients, const struct disk *disk,
			   pid_t tgtd)
{
	struct open_views *views = clients->open_views;
	const size_t n = tgtd ? 1 : 0;

	if (views && !views->read) {
		backing_files_names(&tgtd, n, clients->arena, &views->names);
		views->read = true;
	}
	if (views &&
	    index_find(&views->names, name_last(disk->view)) == NOT_FOUND)
		return NULL;
	return backing_files_user(clients->arena, disk->view, &tgtd, n);
}

int image_reset_check(struct clients *clients, const struct disk *disk,
		      pid_t tgtd)
{
	const struct fleet *fleet = clients->fleet;
	const char *user;
	struct stat st;

	if (client_image_check_no_link(fleet, disk->image) < 0)
		return -EPERM;
	if (fleet_stat(fleet, disk->image, &st) < 0)
		return 0;
	for (int i = 0;; i++) {
		user = user_of(clients, disk, tgtd);
		if (!user || i == MOMENTS_FOR_USER)
			break;
		nanosleep(&moment, NULL);
	}
	if (user)
		return fail(
			-EBUSY,
			"its disk is open: %s; end that program, then type `%s'",
			user, clients_replace_command(clients, disk));
	return image_reset_check_childless(clients, disk, disk->image, &st);
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
					  reset->disk->client->name, ret);

	return r < 0 ? fail_errno(r, "%s/%s", fleet->store, reset->directory)
		     : 0;
}

/* 3 */
static int rename_to_old(struct reset *reset)
{
	const char *image = reset->disk->image;
	const char *name = base_of(image);
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
		old = arena_printf(reset->clients->arena, "%s/.%s.%s",
				   reset->directory, name, text);
		r = renameat2(dir, name, dir, base_of(old), RENAME_NOREPLACE) <
				    0
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

	if (renameat2(dir, base_of(reset->old), dir,
		      base_of(reset->disk->image), RENAME_NOREPLACE) == 0)
		error_set(&why);
	else
		error_advise("its image is %s now", reset->old);
}

/* Under the image's lock: 0, or -errno with a message why it must stay. */
static int check_removable(const struct reset *reset, const char *name,
			   const struct io *io)
{
	struct clients *clients = reset->clients;
	_cleanup_free_ char *child = NULL;
	struct stat st, named;
	int r = 0;

	if (fstat(io->fd, &st) < 0)
		return fail_errno(-errno, "%s", io->name);
	/* Before the lock, a restore may have given its name another file. */
	if (fstatat(reset->dir, name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !file_id_equal(file_id_of(&st), file_id_of(&named)))
		return fail(-ESTALE, "it has just become another file");
	if (!mode_write_bits(st.st_mode))
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

static int remove_image(const struct reset *reset, const char *name)
{
	struct clients *clients = reset->clients;
	const char *path =
		arena_printf(clients->arena, "%s/%s", reset->directory, name);
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = root_dir_open(&clients->fleet->rootdir, path, true, &io, NULL);

	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = check_removable(reset, name, io);
	if (r == 0 && unlinkat(reset->dir, name, 0) < 0)
		r = fail_errno(-errno, "%s", path);
	return r;
}

/* True if this run renamed the image. */
static bool is_own(const struct reset *reset, const char *name)
{
	return reset->old && !strcmp(base_of(reset->old), name);
}

static void remove_old(struct reset *reset, const char *name)
{
	struct stat st;

	if (fstatat(reset->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	if (remove_image(reset, name) < 0)
		note(reset,
		     "%s/%s: not removed: %s; more than `keep = %u' old images exist",
		     reset->directory, name, error_text(), reset->disk->keep);
	else if (is_own(reset, name))
		reset->removed = true;
}

/* The greatest stamp of an image that keep-age lets go.  0, or -errno with a
 * message. */
static int read_limit(const struct reset *reset, int64_t *ret)
{
	int64_t newest;
	int r;

	*ret = INT64_MAX;
	if (!reset->disk->keep_age || reset->dir < 0)
		return 0;
	r = old_images_newest(reset->dir, &newest);
	if (r < 0)
		return fail_errno(r, "%s/%s", reset->fleet->store,
				  reset->directory);
	if (newest > INT64_MIN)
		*ret = newest - reset->disk->keep_age * 1000000;
	return 0;
}

static bool holds_nothing(const struct reset *reset, const char *name)
{
	return image_holds_nothing(reset->fleet,
				   arena_printf(reset->clients->arena, "%s/%s",
						reset->directory, name));
}

/* 5.  The image that this run renamed is removed only if keep is 0. */
static void remove_images(struct reset *reset, const struct old_images *images,
			  int64_t limit)
{
	const unsigned keep = reset->disk->keep;
	unsigned with_data = 0; /* of the newer ones */

	for (size_t i = 0; keep < images->n && i < images->n; i++) {
		const char *name = images->v[i].name;
		const bool data =
			with_data < keep && !holds_nothing(reset, name);

		if (i >= keep && !data && images->v[i].stamp <= limit &&
		    (!keep || !is_own(reset, name)))
			remove_old(reset, name);
		with_data += data;
	}
}

static void remove_oldest(struct reset *reset)
{
	struct old_images old_images;
	int64_t limit;

	if (read_old_images(reset, &old_images) < 0 ||
	    read_limit(reset, &limit) < 0) {
		note(reset, "old images stay: %s", error_text());
		return;
	}
	remove_images(reset, &old_images, limit);
	for (size_t i = 0; i < old_images.odd.n; i++)
		note(reset,
		     "%s/%s stays: expected a stamp as 20260131T235959.000001Z at the end of its name, found another; remove it with rm when it is not wanted",
		     reset->directory, old_images.odd.v[i]);
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
		     "the store has %s free, and writes to the fresh disk need room; remove what is not needed, such as old images (%s/%s/.NAME.vhdx.DATE)",
		     size_text(space.free), store, reset->directory);
}

/* 3, without data. */
static int replace_empty(struct clients *clients, struct reset *reset)
{
	const struct disk *disk = reset->disk;
	int r = client_image_replace(clients, disk);

	if (r < 0)
		return r;
	reset->followed = true;
	print_line(stdout, "%s: %s is fresh, a child of %s", title_of(reset),
		   disk->child,
		   kept_image_base(clients->arena, reset->fleet, disk));
	return 0;
}

/* 2, 3 and 4, of an existing image. */
static int replace(struct clients *clients, struct reset *reset)
{
	int r = image_reset_wait(reset->fleet, reset->disk->image);

	if (r < 0)
		return r;
	if (client_image_is_fresh(clients, reset->disk))
		return 0;
	if (client_image_is_empty(clients, reset->disk))
		return replace_empty(clients, reset);
	/* Its last session has written to it: then it stays. */
	reset->followed = clients_disk(clients, reset->disk)->only_empty;
	if (reset->followed)
		return 0;
	r = rename_to_old(reset);
	if (r == 0)
		r = client_image_ensure(clients, reset->disk, &reset->spare);
	if (r < 0 && reset->old)
		restore(reset);
	return r;
}

static void write_event(const struct reset *reset)
{
	const struct event_log log = { reset->fleet->log_file,
				       reset->messages };
	const char *old = reset->removed ? NULL : reset->old;
	const struct event event = {
		"reset", reset->disk->client->name, LOG_NOTICE,
		json_pack("{s:s, s:o?, s:s?}", "image", reset->disk->child,
			  "old", json_text(old), "master", reset->disk->master)
	};

	event_write(&log, &event, "%s is fresh%s%s", reset->disk->child,
		    old ? "; the old image is " : "", old ? old : "");
}

int image_reset_run(struct clients *clients, const struct disk *disk,
		    struct messages *messages)
{
	const struct fleet *fleet = clients->fleet;
	struct reset reset = { clients, fleet, disk, messages, .dir = -1 };
	_cleanup_close_ int dir = -1;
	struct stat st;
	int r = fleet_stat(fleet, disk->image, &st);

	reset.directory = disk_directory(clients->arena, disk);
	reset.dir = dir = disk_directory_open(fleet, disk);
	if (client_image_check_no_link(fleet, disk->image) < 0)
		return -EPERM;
	if (r < 0)
		r = client_image_ensure(clients, disk, &reset.spare);
	else if ((r = image_reset_check_childless(clients, disk, disk->image,
						  &st)) == 0)
		r = replace(clients, &reset);
	if (r < 0)
		return r;
	clients_disk(clients, disk)->view = arena_printf(
		clients->arena, "%s/%s.raw", fleet->mount, disk->child);
	/* The first image makes the directory. */
	if (dir < 0)
		reset.dir = dir = disk_directory_open(fleet, disk);
	if (!reset.followed)
		remove_oldest(&reset);
	if (reset.old)
		print_line(stdout, "%s: %s is fresh; the old one is %s",
			   title_of(&reset), disk->child,
			   reset.removed ? "removed (keep = 0)" : reset.old);
	write_event(&reset);
	note_space(&reset);
	client_image_inspect(clients, disk);
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

int image_reset_shown(const struct clients *clients, const struct disk *disk)
{
	const struct fleet *fleet = clients->fleet;
	const char *file = clients_disk(clients, disk)->view;
	struct stat image;
	int r = fleet_stat(fleet, disk->child, &image);

	for (int i = 0; r == 0 && i < MOMENTS; i++) {
		if (i)
			nanosleep(&moment, NULL);
		if (inode_of_view(file) == image.st_ino)
			return client_image_view_ready(clients, disk);
	}
	if (r < 0)
		return fail_errno(r, "%s/%s", fleet->store, disk->child);
	return fail(
		-EIO,
		"%s: expected the fresh image, found another; `tgt-glue apply' tries again",
		file);
}
