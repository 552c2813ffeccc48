/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Backup of clients' images.
 *
 * ORDER, so that a backup that was interrupted at any step and is run again
 * ends in the same state; NAME is the path of a client's image, in the store
 * and in the directory of the backup, DIR:
 *
 *   B1. lock DIR; remove the files *.new that an interrupted backup left there
 *   B2. copy fleet.conf and the files that it names           (config-files.c)
 *   for each client:
 *   B3. remove the snapshots of NAME that interrupted backups left.  After a
 *       reset such a file is no snapshot of NAME any more, and an image that
 *       was put aside may need it; or a file of the directory that cannot be
 *       read may: it stays, and another name is used
 *   B4. take a snapshot of NAME: the client goes on in a child of it
 *   B5. copy the parents of the snapshot, and the client's master with its
 *       parents, which DIR does not have, the last one first    (transfer.h)
 *   B6. copy the snapshot to DIR/NAME; the NAME before is put aside, and
 *       removed only when the new one is complete               (transfer.h)
 *   B7. remove the snapshot, also after a failure of 5 or 6
 *
 * The client's disk is the same at every moment.  No lock that other commands
 * need is held: a client of which another command changes the image fails here,
 * or there, by the locks of vhdfs-img.  A snapshot that cannot be removed is
 * named, and B3 of the next backup removes it.
 */
#include "config.h"

#include "tgt-glue/backup/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/image-names.h"
#include "store/snapshot.h"
#include "tgt-glue/backup/config-files.h"
#include "tgt-glue/backup/stop.h"
#include "tgt-glue/backup/transfer.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/config/children.h"
#include "tgt-glue/config/versions.h"
#include "tgt-glue/reconcile/saved-states.h"
#include "tgt-glue/reconcile/space.h"

static void report(struct backup *backup, const char *what)
{
	backup->failed = true;
	print_line(stderr, "tgt-glue: %s: not backed up: %s", what,
		   error_text());
}

static bool is_within(const char *dir, const char *path)
{
	_cleanup_free_ char *real = realpath(path, NULL);

	return real && (root_dir_below(real, dir) || root_dir_below(dir, real));
}

static int check_place(const struct fleet *fleet, const char *dir)
{
	if (is_within(dir, fleet->store) || is_within(dir, fleet->mount))
		return fail(
			-EINVAL,
			"%s: expected a directory outside the store %s and the mount %s, found one that lies in them or has them; choose another",
			dir, fleet->store, fleet->mount);
	return 0;
}

/* B1: a file NAME.new, of an image or below CONFIG_DIRECTORY. */
static int remove_unfinished(const char *path, const struct stat *st, int type,
			     struct FTW *at)
{
	static const char ending[] = ".new";
	const char *name = path + at->base;
	const size_t n = strlen(name), m = sizeof ending - 1;
	_cleanup_free_ char *image = NULL;

	(void)st;
	if ((type != FTW_F && type != FTW_SL) || n <= m ||
	    strcmp(name + n - m, ending) != 0)
		return 0;
	image = strndup(name, n - m);
	if (!image ||
	    (!name_is_image(image) && !strstr(path, "/" CONFIG_DIRECTORY "/")))
		return 0;
	return unlink(path) < 0 ? fail_errno(-errno, "%s", path) : 0;
}

static int lock_directory(struct backup *backup)
{
	backup->lock =
		root_dir_openat(&backup->to, ".", O_RDONLY | O_DIRECTORY);
	if (backup->lock < 0)
		return fail_errno(backup->lock, "%s", backup->to.path);
	if (flock(backup->lock, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK
		       ? fail(-EBUSY,
			      "%s: another backup to it, or a restore from it, is running; wait for its end",
			      backup->to.path)
		       : fail_errno(-errno, "%s: lock", backup->to.path);
}

int backup_open(struct backup *backup, const struct fleet *fleet,
		const char *path, unsigned keep)
{
	int r;

	*backup = (struct backup){
		.fleet = fleet, .to.fd = -1, .lock = -1, .keep = keep
	};
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return fail_errno(-errno, "%s", path);
	r = root_dir_init(&backup->to, path);
	if (r < 0)
		return r;
	r = check_place(fleet, backup->to.path);
	if (r == 0)
		r = lock_directory(backup);
	if (r == 0 && nftw(backup->to.path, remove_unfinished, 16,
			   FTW_PHYS | FTW_MOUNT) != 0)
		r = error_last()->code;
	return r;
}

void backup_fini(struct backup *backup)
{
	close_p(&backup->lock);
	root_dir_fini(&backup->to);
	arena_fini(&backup->arena);
}

void backup_config(struct backup *backup)
{
	if (config_files_copy(backup->fleet, &backup->to, &backup->arena) < 0)
		report(backup, "fleet.conf");
}

/* Of one client's image. */
struct job {
	struct backup *backup;
	const struct disk *disk;
	const char *image;    /* path in the store */
	const char *absolute; /* the same */
	const char *name;     /* of the snapshot */
	const char *snapshot; /* its path in the store */
	struct transfer transfer;
};

static int run_verb(const struct job *job, const char *verb)
{
	const char *argv[] = { "vhdfs-img", verb,
			       "--store",   job->backup->fleet->store,
			       "--",        job->absolute,
			       job->name,   NULL };

	return vhdfs_img_run(argv);
}

static bool has_snapshot(const struct job *job)
{
	struct stat st;

	return fleet_stat(job->backup->fleet, job->snapshot, &st) == 0;
}

/* B3, B7 */
static int remove_snapshot(const struct job *job)
{
	int r = has_snapshot(job) ? run_verb(job, "delete-snapshot") : 0;

	/* An interrupted `snapshot' was undone. */
	return r < 0 && has_snapshot(job) ? r : 0;
}

static void set_name(struct job *job, unsigned n)
{
	struct arena *arena = &job->backup->arena;

	job->name = n == 1 ? BACKUP_SNAPSHOT
			   : arena_printf(arena, BACKUP_SNAPSHOT "-%u", n);
	job->snapshot = family_path(arena, job->image, job->name, false);
}

/* What cannot be read may be one. */
static bool is_snapshot(const struct job *job)
{
	struct snapshots all = { 0 };
	bool is = snapshots_list(&job->backup->fleet->rootdir, job->image,
				 &all) < 0 ||
		  snapshots_find(&all, job->name);

	snapshots_fini(&all);
	return is;
}

static void warn_left(const struct job *job)
{
	const struct fleet *fleet = job->backup->fleet;
	_cleanup_free_ char *child = NULL;
	struct store *images = NULL;
	struct stat st;
	int r = fleet_stat(fleet, job->snapshot, &st);

	if (r == 0)
		r = children_find(fleet->store, &images, &st,
				  STORE_POSSIBLE_CHILDREN, &child);
	if (images)
		store_close(images);
	if (r == 0 && !child)
		print_line(
			stderr,
			"tgt-glue: %s: warning: %s, of an interrupted backup, is no snapshot of its image any more; no image needs it: `rm %s' removes it",
			job->disk->client->name, job->snapshot,
			shell_path(fleet->store, job->snapshot));
	else
		print_line(
			stderr,
			"tgt-glue: %s: warning: %s, of an interrupted backup, is no snapshot of its image any more; %s needs it: it stays; when no image needs it, `rm %s' removes it",
			job->disk->client->name, job->snapshot,
			child ? child : "an image that cannot be read perhaps",
			shell_path(fleet->store, job->snapshot));
}

/* After remove_snapshot failed. */
static void warn_stays(struct job *job)
{
	print_line(
		stderr,
		"tgt-glue: %s: warning: its snapshot %s stays: %s; the next backup removes it, or `vhdfs-img delete-snapshot %s %s'",
		job->disk->client->name, job->snapshot, error_text(),
		shell_word(job->absolute), job->name);
	job->backup->failed = true;
}

/* B3.  Sets a name that is free. */
static int choose_name(struct job *job)
{
	enum { NAMES = 9 };
	unsigned chosen = 0;
	struct error why;

	for (unsigned n = 1; n <= NAMES; n++) {
		int r;

		set_name(job, n);
		r = remove_snapshot(job);
		why = *error_last();
		if (r == -EINTR)
			return r;
		if (r < 0 && is_snapshot(job)) {
			error_set(&why);
			warn_stays(job);
		} else if (r < 0) {
			warn_left(job);
		} else if (!chosen) {
			chosen = n;
		}
	}
	if (!chosen)
		return fail(
			-EEXIST,
			"%s: expected that it is free, or one of the names after it, found all %d in use",
			job->snapshot, NAMES);
	set_name(job, chosen);
	return 0;
}

/* B5, of the client's master: a fresh image needs it. */
static int copy_master(struct job *job)
{
	const char *master = job->disk->master_name;
	struct chain *chain;
	int r;

	if (!master)
		return 0;
	r = chain_open(job->transfer.cache, master, 0, &chain);
	if (r < 0)
		return r;
	r = transfer_parents(&job->transfer, chain, 0);
	chain_close(chain);
	return r < 0 ? r : transfer_link(&job->transfer, master);
}

/* B5 and B6 */
static int copy_image(struct job *job)
{
	struct chain *chain;
	struct stat st;
	int r = fleet_stat(job->backup->fleet, job->image, &st);

	if (r < 0)
		return fail_errno(r, "%s", job->absolute);
	r = chain_open(job->transfer.cache, job->snapshot, 0, &chain);
	if (r < 0)
		return r;
	r = transfer_parents(&job->transfer, chain, 1);
	if (r == 0)
		r = copy_master(job);
	if (r == 0)
		r = transfer_image(&job->transfer, chain_leaf(chain)->io,
				   job->image, st.st_mode);
	chain_close(chain);
	return r;
}

/* B3 to B7 */
static int back_up(struct job *job)
{
	struct error why;
	int r = choose_name(job), removed;

	if (r < 0)
		return r;
	r = stop_check();
	if (r == 0)
		r = run_verb(job, "snapshot");
	if (r < 0 && !has_snapshot(job))
		return r;
	if (r == 0)
		r = copy_image(job);
	why = *error_last();
	removed = remove_snapshot(job);
	if (removed < 0)
		warn_stays(job);
	error_set(&why);
	return r;
}

/* Where the path in the store leads to: a snapshot is beside its image.  In the
 * arena; null with a message. */
static const char *real_path(struct backup *backup, const char *path)
{
	const struct root_dir *store = &backup->fleet->rootdir;
	_cleanup_close_ int fd = root_dir_openat(store, path, O_PATH);
	_cleanup_free_ char *real =
		fd < 0 ? NULL : root_dir_real_path(store, fd, path);

	if (!real)
		fail_errno(fd < 0 ? fd : -ENOMEM, "%s/%s", store->path, path);
	return real ? arena_strdup(&backup->arena, real) : NULL;
}

static void back_up_image(struct backup *backup, const struct disk *disk)
{
	const char *image = real_path(backup, disk->image);
	struct arena *arena = &backup->arena;
	const struct fleet *fleet = backup->fleet;
	struct job job = { .backup = backup, .disk = disk, .image = image };
	int r;

	if (!image) {
		report(backup, disk_words(arena, disk));
		return;
	}

	job.absolute = arena_printf(arena, "%s/%s", fleet->store, image);
	r = transfer_init(&job.transfer, &fleet->rootdir, &backup->to, arena);
	job.transfer.keep = backup->keep;
	job.transfer.replaces = true;
	if (r == 0)
		r = back_up(&job);
	if (r == 0)
		r = transfer_link(&job.transfer, disk->image);
	if (r < 0)
		report(backup, disk_words(arena, disk));
	else
		print_line(stdout, "%s: %s is backed up, %s copied",
			   disk_words(arena, disk), image,
			   size_text(job.transfer.copied));
	transfer_fini(&job.transfer);
}

/* An image that clients only read: nothing in it changes. */
static void back_up_shared(struct backup *backup, const struct disk *disk)
{
	struct transfer transfer;
	struct chain *chain;
	int r = transfer_init(&transfer, &backup->fleet->rootdir, &backup->to,
			      &backup->arena);

	transfer.keep = backup->keep;
	transfer.replaces = true;
	if (r == 0)
		r = chain_open(transfer.cache, disk->image, 0, &chain);
	if (r == 0) {
		r = transfer_parents(&transfer, chain, 0);
		chain_close(chain);
	}
	if (r == 0)
		r = transfer_link(&transfer, disk->image);
	if (r < 0)
		report(backup, disk_words(&backup->arena, disk));
	transfer_fini(&transfer);
}

static void back_up_disk(struct backup *backup, const struct disk *disk)
{
	struct stat st;

	if (fleet_stat(backup->fleet, disk->image, &st) < 0) {
		backup->skipped = true;
		print_line(
			stderr,
			"tgt-glue: %s: skipped: it has no image; `tgt-glue apply' makes it",
			disk_words(&backup->arena, disk));
	} else if (disk->kind == DISK_SHARED) {
		back_up_shared(backup, disk);
	} else {
		back_up_image(backup, disk);
	}
}

void backup_client(struct backup *backup, const struct client *client)
{
	/* The file of a CD-ROM is no image: its administrator has it. */
	for (size_t i = 0; i < client->n_disks && !stop_wanted(); i++)
		if (client->disks[i].kind != DISK_CDROM)
			back_up_disk(backup, &client->disks[i]);
}
