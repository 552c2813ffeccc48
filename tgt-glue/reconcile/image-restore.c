/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore of an earlier state of a client's disk.
 *
 * ORDER, so that a restore that was interrupted at any step and is run again
 * ends in the same state; the image is NAME, the old one .NAME.STAMP:
 *
 *   1. the target admits no initiator, has no session, and is deleted: tgtd
 *      no longer has the image open                         (execute.c)
 *   2. no other process has NAME or the old image open: their locks are free
 *   3. NAME gets a second name, .NAME.LATER, with a stamp greater than all
 *      before it
 *   4. the old image is marked with its STAMP, and with the version of the
 *      master that is wanted now: it stays until another one is (follow.h)
 *   5. .NAME.STAMP is renamed to NAME, over the name that was there; each step
 *      is durable before the next
 *   6. the target is created, its disk is the image NAME, and the client is
 *      admitted                                             (execute.c)
 *
 * At every moment NAME leads to a complete image.  After 3, another run finds
 * the second name and goes on with 4.  After 5 there is no old image STAMP; the
 * mark of NAME says that it was that one, and another run continues with 6.  A
 * NAME in another format than the old image is renamed in 3.  No image is
 * removed: what `keep' does not count is removed by the next reset.
 *
 * A snapshot is brought back by `vhdfs-img revert', in the place of 2 to 5: it
 * puts NAME aside and gives it to a fresh child of the snapshot, in one step
 * that it finishes or undoes itself after a crash.  A NAME that is a child of
 * the snapshot without data is such a child already.  The
 * second mark of 4 is set before: the fresh child gets the marks of NAME, so no
 * pass replaces it after an interruption.  If the revert fails, NAME has its
 * mark of before again; if it was interrupted, NAME stays on its version as if
 * it had been brought back.
 */
#include "config.h"

#include "tgt-glue/reconcile/image-restore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "format/registry.h"
#include "io/file-id.h"
#include "io/rootdir.h"
#include "store/image-names.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/client-rename.h"
#include "tgt-glue/reconcile/saved-states.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/image-reset.h"
#include "tgt-glue/reconcile/old-images.h"

/* The stamp that the image had when it was an old one. */
#define RESTORED "user.tgt-glue.restored"
/* The version of its master that fleet.conf wanted when the image was brought
 * back, a path in the store. */
#define WANTED "user.tgt-glue.wanted"

struct restore {
	struct clients *clients;
	const struct fleet *fleet;
	const struct disk *disk;
	const struct saved_state *state; /* null: it was brought back already */
	const char *aside; /* path of the image before; null: unknown, none */
};

bool image_is_restored(const struct fleet *fleet, const struct disk *disk)
{
	_cleanup_close_ int fd =
		root_dir_openat(&fleet->rootdir, disk->child, O_RDONLY);
	char wanted[PATH_MAX];
	ssize_t n = fd < 0 ? -1 : fgetxattr(fd, WANTED, wanted, sizeof wanted);

	/* A version before this one restored it: until the next reset. */
	if (n < 0)
		return fd >= 0 && fgetxattr(fd, RESTORED, NULL, 0) > 0;
	return disk->master && (size_t)n == strlen(disk->master) &&
	       !memcmp(wanted, disk->master, (size_t)n);
}

/* 0 or -errno; durable with the next fsync. */
static int set_wanted(int fd, const struct disk *disk)
{
	return disk->master && fsetxattr(fd, WANTED, disk->master,
					 strlen(disk->master), 0) < 0
		       ? -errno
		       : 0;
}

/* Was the client's image the old image WHICH? */
static bool is_restored(const struct fleet *fleet, const struct disk *disk,
			const char *which)
{
	_cleanup_close_ int fd =
		root_dir_openat(&fleet->rootdir, disk->child, O_RDONLY);
	char text[STAMP_SIZE];
	ssize_t n = fd < 0 ? -1 : fgetxattr(fd, RESTORED, text, sizeof text);
	const size_t len = strlen(which);

	return n > 0 && len && len <= (size_t)n && !memcmp(text, which, len);
}

/* *ret: the state WHICH of the client, or null if the client's image is it
 * already. */
static int find_state(struct clients *clients, const struct disk *disk,
		      const struct saved_state **ret)
{
	struct disk_state *of_disk = clients_disk(clients, disk);
	struct saved_states states;
	int r;

	if (!of_disk->earlier)
		of_disk->earlier = saved_states_snapshot(
			clients->arena, clients->fleet, disk, clients->which);
	*ret = of_disk->earlier;
	if (*ret)
		return 0;
	r = saved_states_read(clients->arena, clients->fleet, disk, &states);
	if (r < 0)
		return r;
	*ret = saved_states_find(&states, disk->client, clients->which);
	of_disk->earlier = *ret;
	if (*ret || is_restored(clients->fleet, disk, clients->which))
		return 0;
	return error_last()->code;
}

static int fail_format(const struct disk *disk, const struct saved_state *state)
{
	return fail(
		-EINVAL,
		"%s: expected the format of %s, found another; write the master that it had into fleet.conf first",
		state->file, disk->child);
}

/* An old image takes the client's name, so it has the client's format. */
static int check_old(struct clients *clients, const struct disk *disk,
		     const struct saved_state *state)
{
	const char *ending = strrchr(disk->child, '.');
	const char *name =
		name_last(state->file) + 1 + strlen(disk->client->name);
	struct stat st;

	if (strncmp(name, ending, strlen(ending)) != 0 ||
	    name[strlen(ending)] != '.')
		return fail_format(disk, state);
	if (fleet_stat(clients->fleet, state->file, &st) < 0)
		return 0;
	return image_reset_check_childless(clients, disk, state->file, &st);
}

static int check_state(struct clients *clients, const struct disk *disk)
{
	const struct saved_state *state;
	struct stat st;
	int r = find_state(clients, disk, &state);

	if (r < 0 || !state)
		return r;
	if (state->other_format)
		return fail_format(disk, state);
	r = saved_state_check(clients->fleet, state);
	if (r == 0 && state->kind == STATE_OLD)
		return check_old(clients, disk, state);
	if (r == 0 && fleet_stat(clients->fleet, disk->image, &st) < 0)
		r = fail(
			-ENOENT,
			"%s: expected an image, found none; `tgt-glue apply' makes it",
			disk->image);
	return r;
}

int image_replace_check(struct clients *clients, const struct disk *disk,
			pid_t tgtd)
{
	int r = image_reset_check(clients, disk, tgtd);

	if (r == 0 && clients->which)
		r = check_state(clients, disk);
	if (r == 0 && clients->from)
		r = client_rename_check(clients, disk->client);
	return r;
}

/* The path in the store of a file beside the image. */
static const char *beside(const struct restore *restore, const char *file)
{
	struct arena *arena = restore->clients->arena;

	return arena_printf(arena, "%s/%s",
			    disk_directory(arena, restore->disk), file);
}

static int fail_directory(const struct restore *restore, int r)
{
	return fail_errno(
		r, "%s/%s", restore->fleet->store,
		disk_directory(restore->clients->arena, restore->disk));
}

static int sync_dir(int dir, const struct restore *restore)
{
	return fsync(dir) < 0 ? fail_directory(restore, -errno) : 0;
}

/* The old image that is the file of the client's image: an interrupted restore
 * gave it the second name.  Null: none. */
static const char *second_name(const struct old_images *old, int dir,
			       const char *name)
{
	struct stat image, other;

	if (fstatat(dir, name, &image, AT_SYMLINK_NOFOLLOW) < 0)
		return NULL;
	for (size_t i = 0; i < old->n; i++)
		if (fstatat(dir, old->v[i].name, &other, AT_SYMLINK_NOFOLLOW) ==
			    0 &&
		    file_id_equal(file_id_of(&image), file_id_of(&other)))
			return old->v[i].name;
	return NULL;
}

/* 3 */
static int put_aside(struct restore *restore, int dir)
{
	const struct disk *disk = restore->disk;
	struct arena *arena = restore->clients->arena;
	const char *name = name_last(disk->image), *aside;
	const bool replaced = !strcmp(disk->image, disk->child);
	struct old_images old;
	char text[STAMP_SIZE];
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : fail_errno(-errno, "%s", name);
	r = old_images_read(arena, dir, disk->client->name, &old);
	if (r < 0)
		return fail_directory(restore, r);
	aside = second_name(&old, dir, name);
	if (!aside) {
		stamp_write(old_images_next_stamp(&old, stamp_now()), text);
		aside = arena_printf(arena, ".%s.%s", name, text);
		r = replaced ? linkat(dir, name, dir, aside, 0)
			     : renameat2(dir, name, dir, aside,
					 RENAME_NOREPLACE);
	}
	if (r < 0)
		return fail_errno(-errno, "%s/%s: putting it aside",
				  restore->fleet->store, disk->image);
	restore->aside = beside(restore, aside);
	return sync_dir(dir, restore);
}

/* 4.  Without the first mark, another run after 5 says that there is no such
 * old image.  A failure of the second one is reported after 5. */
static void mark(const struct restore *restore, int dir, const char *old)
{
	_cleanup_close_ int fd = openat(dir, old, O_RDONLY | O_CLOEXEC);
	const char *stamp = restore->state->which;

	if (fd < 0)
		return;
	(void)set_wanted(fd, restore->disk);
	if (fsetxattr(fd, RESTORED, stamp, strlen(stamp), 0) == 0)
		(void)fsync(fd);
}

/* 5 */
static int take_name(const struct restore *restore, int dir)
{
	const char *old = name_last(restore->state->file);

	mark(restore, dir, old);
	if (renameat(dir, old, dir, name_last(restore->disk->child)) < 0)
		return fail_errno(-errno, "%s/%s: renaming it",
				  restore->fleet->store, restore->state->file);
	return sync_dir(dir, restore);
}

/* 2 to 5 */
static int bring_back_old(struct restore *restore)
{
	const struct fleet *fleet = restore->fleet;
	_cleanup_close_ int dir = disk_directory_open(fleet, restore->disk);
	struct stat now, old;
	int r = dir;

	if (r < 0)
		return fail_directory(restore, r);
	r = fleet_stat(fleet, restore->disk->image, &now);
	if (r == 0)
		r = image_reset_wait(fleet, restore->disk->image);
	else
		r = 0;
	if (r == 0)
		r = image_reset_wait(fleet, restore->state->file);
	/* What a restore that ended after 3 put aside is what is there. */
	if (r == 0 && fleet_stat(fleet, restore->state->file, &old) == 0 &&
	    fleet_stat(fleet, restore->disk->child, &now) == 0 &&
	    file_id_equal(file_id_of(&now), file_id_of(&old))) {
		if (unlinkat(dir, name_last(restore->state->file), 0) < 0)
			return fail_errno(-errno, "%s", restore->state->file);
		return sync_dir(dir, restore);
	}
	if (r == 0)
		r = put_aside(restore, dir);
	return r < 0 ? r : take_name(restore, dir);
}

/* The newest old image, after a revert. */
static const char *newest_aside(const struct restore *restore)
{
	_cleanup_close_ int dir =
		disk_directory_open(restore->fleet, restore->disk);
	struct arena *arena = restore->clients->arena;
	struct old_images old;

	if (dir < 0 ||
	    old_images_read(arena, dir, restore->disk->client->name, &old) <
		    0 ||
	    !old.n)
		return NULL;
	return beside(restore, old.v[0].name);
}

/* The size of the image's disk; 0: unknown. */
static uint64_t size_of(const struct fleet *fleet, const char *path)
{
	struct image *image;
	uint64_t size;

	if (image_open_unlocked(fleet, path, &image, NULL) < 0)
		return 0;
	size = image->size;
	image_close(image);
	return size;
}

/* A mount that may have the image open does it, unless the disk gets another
 * size, as that of another version of the master: an open view keeps its. */
static int revert(const struct restore *restore)
{
	const struct fleet *fleet = restore->fleet;
	const char *image = arena_printf(restore->clients->arena, "%s/%s",
					 fleet->store, restore->disk->image);
	const char *argv[10] = { "vhdfs-img", "revert", "--unrelated",
				 "--store", fleet->store };
	size_t n = 5;

	if (size_of(fleet, restore->disk->image) ==
	    size_of(fleet, restore->state->file))
		argv[n++] = "--in-use";
	argv[n++] = "--";
	argv[n++] = image;
	argv[n++] = restore->state->snapshot;
	return vhdfs_img_run(argv);
}

/* The fresh leaf has the mark from the first moment. */
static int mark_and_revert(const struct restore *restore)
{
	_cleanup_close_ int fd = root_dir_openat(
		&restore->fleet->rootdir, restore->disk->image, O_RDONLY);
	char before[PATH_MAX];
	ssize_t n;
	int r;

	if (fd < 0)
		return fail_errno(fd, "%s", restore->disk->image);
	n = fgetxattr(fd, WANTED, before, sizeof before);
	/* A failure is reported after the revert. */
	(void)set_wanted(fd, restore->disk);
	r = revert(restore);
	if (r < 0 && n >= 0)
		(void)fsetxattr(fd, WANTED, before, (size_t)n, 0);
	else if (r < 0)
		(void)fremovexattr(fd, WANTED);
	return r;
}

static int bring_back_snapshot(struct restore *restore)
{
	const struct fleet *fleet = restore->fleet;
	int r;

	if (image_shows(fleet, restore->disk->image, restore->state->file)) {
		restore->state = NULL;
		return 0;
	}
	r = image_reset_wait(fleet, restore->disk->image);
	if (r == 0)
		r = mark_and_revert(restore);
	if (r == 0)
		restore->aside = newest_aside(restore);
	return r;
}

/* An image that was brought back on another version of its master stays until
 * the master changes again.  It is no longer the old image of its first mark,
 * if a snapshot was brought back: a fresh leaf has the marks of the one before.
 */
static void hold(const struct restore *restore, bool snapshot,
		 struct messages *messages)
{
	const struct disk *disk = restore->disk;
	const char *image = snapshot ? disk->image : disk->child;
	_cleanup_close_ int fd =
		root_dir_openat(&restore->fleet->rootdir, image, O_RDONLY);
	int r = fd < 0 ? fd : set_wanted(fd, disk);

	if (r == 0 && snapshot)
		(void)fremovexattr(fd, RESTORED);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0 || !disk->update_reset)
		return;
	fail_errno(r, "%s: attribute " WANTED, image);
	messages_print(
		messages,
		"%s: image: warning: %s; if this state is on another version of its master, the next pass of apply or watch undoes this (update = reset)",
		disk_words(restore->clients->arena, disk), error_text());
}

static void report(const struct restore *restore, struct messages *messages)
{
	const struct disk *disk = restore->disk;
	const struct disk_state *state = clients_disk(restore->clients, disk);
	const char *words = disk_words(restore->clients->arena, disk);
	const char *which = restore->clients->which;

	if (!restore->state)
		print_line(stdout, "%s: image: %s is %s already", words,
			   disk->child, which);
	else if (restore->aside)
		print_line(stdout,
			   "%s: image: %s is %s again; the one before is %s",
			   words, disk->child, which, restore->aside);
	else
		print_line(stdout, "%s: image: %s is %s again", words,
			   disk->child, which);
	if (state->image == CHILD_OTHER)
		messages_print(messages, "%s: image: warning: %s", words,
			       state->image_why);
	if (disk->reset_boot)
		messages_print(
			messages,
			"%s: image: warning: %s (reset = boot); `tgt-glue disks %s' finds this state again",
			words,
			state->behind
				? "the next pass of apply or watch gives it a fresh disk, for this one is on another version of its master"
				: "it gets a fresh disk after its next session",
			disk->client->name);
}

static int bring_back(struct clients *clients, const struct disk *disk,
		      struct messages *messages)
{
	struct restore restore = { clients, clients->fleet, disk, NULL, NULL };
	int r = find_state(clients, disk, &restore.state);
	const bool snapshot =
		r == 0 && restore.state && restore.state->kind != STATE_OLD;
	const bool old = restore.state && !snapshot;

	if (snapshot)
		r = bring_back_snapshot(&restore);
	else if (r == 0 && restore.state)
		r = bring_back_old(&restore);
	if (r < 0)
		return r;
	hold(&restore, snapshot, messages);
	clients_disk(clients, disk)->view =
		arena_printf(clients->arena, "%s/%s.raw", clients->fleet->mount,
			     old ? disk->child : disk->image);
	/* Another image may have another sector size than the one that tgtd
	 * has. */
	clients_disk(clients, disk)->exported_sector_size = 0;
	client_image_inspect(clients, disk);
	report(&restore, messages);
	return 0;
}

/* The next user of a disk with `reset = boot' must not get what the last one
 * left under the earlier name: the ends of its sessions are noted there. */
static int rename_client(struct clients *clients, const struct client *client,
			 struct messages *messages)
{
	int r = client_rename_run(clients, client);

	for (size_t i = 0; r == 0 && i < client->n_disks; i++)
		if (client->disks[i].reset_boot)
			r = image_reset_run(clients, &client->disks[i],
					    messages);
	return r;
}

int image_replace_run(struct clients *clients, const struct disk *disk,
		      struct messages *messages)
{
	if (clients->from)
		return rename_client(clients, disk->client, messages);
	return clients->which ? bring_back(clients, disk, messages)
			      : image_reset_run(clients, disk, messages);
}
