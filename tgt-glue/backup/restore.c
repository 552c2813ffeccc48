/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Return of images from a backup to a store; restore.h has the order. */
#include "config.h"

#include "tgt-glue/backup/restore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "format/registry.h"
#include "store/image-names.h"
#include "store/put-aside.h"
#include "tgt-glue/backup/config-files.h"
#include "tgt-glue/backup/stop.h"
#include "tgt-glue/reconcile/old-images.h"
#include "tgt-glue/reconcile/space.h"
#include "tgt-glue/reconcile/spare.h"

/* Below it, the directories of data disks, each with images of clients. */
#define DISKS_DIRECTORY "disks"

/* Is it the name of an old image that is being copied? */
static bool is_unfinished(const char *name)
{
	static const char ending[] = ".new";
	const size_t n = strlen(name), m = sizeof ending - 1;
	_cleanup_free_ char *old = n > m && !strcmp(name + n - m, ending)
					   ? strndup(name, n - m)
					   : NULL;
	_cleanup_free_ char *image = old ? put_aside_image_name(old) : NULL;

	return image && name_is_image(image);
}

/* A file that stays does no harm. */
static void remove_unfinished(int dir, const char *name, const char *below)
{
	_cleanup_close_ int fd = openat(
		dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	if (unlinkat(dir, name, 0) < 0)
		print_line(stderr, "tgt-glue: warning: %s/%s: not removed: %s",
			   below, name, strerror(errno));
	else
		print_line(stdout,
			   "%s/%s: removed; an interrupted restore left it",
			   below, name);
}

/* 1, the end, of a directory of images in the store; and of those in it. */
static void remove_all_unfinished(struct restoring *restoring,
				  const char *below, bool deep)
{
	_cleanup_closedir_ DIR *dir =
		root_dir_opendir(&restoring->fleet->rootdir, below);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (is_unfinished(e->d_name))
			remove_unfinished(dirfd(dir), e->d_name, below);
		else if (deep && *e->d_name != '.')
			remove_all_unfinished(restoring,
					      arena_printf(&restoring->arena,
							   "%s/%s", below,
							   e->d_name),
					      false);
}

int restoring_open(struct restoring *restoring, const struct fleet *fleet,
		   const char *path)
{
	int r;

	*restoring =
		(struct restoring){ .fleet = fleet, .from.fd = -1, .lock = -1 };
	r = root_dir_init(&restoring->from, path);
	if (r < 0)
		return r;
	restoring->lock =
		root_dir_openat(&restoring->from, ".", O_RDONLY | O_DIRECTORY);
	if (restoring->lock < 0)
		return fail_errno(restoring->lock, "%s", path);
	if (flock(restoring->lock, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? fail(-EBUSY,
				      "%s: a backup to it is running; wait for its end",
				      path)
			       : fail_errno(-errno, "%s: lock", path);
	r = transfer_init(&restoring->transfer, &restoring->from,
			  &fleet->rootdir, &restoring->arena);
	/* Of the store's old images none is removed. */
	restoring->transfer.keep = UINT_MAX;
	if (r == 0) {
		remove_all_unfinished(restoring, CLIENTS_DIRECTORY, false);
		remove_all_unfinished(restoring, DISKS_DIRECTORY, true);
	}
	return r;
}

void restoring_fini(struct restoring *restoring)
{
	transfer_fini(&restoring->transfer);
	close_p(&restoring->lock);
	root_dir_fini(&restoring->from);
	arena_fini(&restoring->arena);
}

/* 2.  nftw has no argument for its function. */
static struct restoring *walking;

static int restore_master(const char *path)
{
	struct transfer *t = &walking->transfer;
	struct chain *chain;
	int r = stop_check();

	if (r == 0)
		r = chain_open(t->cache, path, 0, &chain);
	if (r < 0)
		return r;
	r = transfer_parents(t, chain, 0);
	chain_close(chain);
	return r;
}

static bool is_in(const char *dir, const char *path)
{
	const size_t n = strlen(dir);

	return !strncmp(path, dir, n) && path[n] == '/';
}

static int restore_entry(const char *absolute, const struct stat *st, int type,
			 struct FTW *at)
{
	const char *path = root_dir_below(walking->from.path, absolute);
	struct stat there;

	(void)st;
	if (!path || !name_is_image(absolute + at->base) ||
	    is_in(CLIENTS_DIRECTORY, path) || is_in(DISKS_DIRECTORY, path) ||
	    is_in(CONFIG_DIRECTORY, path))
		return 0;
	if (type == FTW_F)
		return restore_master(path);
	if (type != FTW_SL || fstatat(walking->fleet->rootdir.fd, path, &there,
				      AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	return transfer_link(&walking->transfer, path);
}

int restoring_masters(struct restoring *restoring)
{
	int r;

	walking = restoring;
	r = nftw(restoring->from.path, restore_entry, 16, FTW_PHYS | FTW_MOUNT);
	walking = NULL;
	if (r == -1)
		r = fail_errno(-errno, "%s", restoring->from.path);
	return r;
}

/* The path of the client's image in a directory, such as CLIENTS_DIRECTORY;
 * null: there is none. */
static const char *find_image(struct restoring *restoring,
			      const struct root_dir *dir, const char *below,
			      const char *name)
{
	for (int i = 0; image_formats[i]; i++) {
		const char *path =
			arena_printf(&restoring->arena, "%s/%s.%s", below, name,
				     image_formats[i]->name);
		_cleanup_close_ int fd =
			root_dir_openat(dir, path, O_RDONLY | O_NONBLOCK);

		if (!image_format_is_raw(image_formats[i]) && fd >= 0)
			return path;
	}
	return NULL;
}

/* Is the image at path in the store that of the backup? */
static bool has_identity(const struct restoring *restoring, const char *path,
			 const struct image *image)
{
	return transfer_find(&restoring->fleet->rootdir, path, image) == 1;
}

/* The directory of images in the store, open; or -errno. */
static int open_below(const struct restoring *restoring, const char *below)
{
	return root_dir_openat(&restoring->fleet->rootdir, below,
			       O_RDONLY | O_DIRECTORY);
}

/* 4.  *ret: the stamp of the old image that is, or is to be, that of the
 * backup; 1: it is there; 0; or -errno with a message. */
static int choose_stamp(struct restoring *restoring, const char *name,
			const char *below, const struct image *image,
			char ret[STAMP_SIZE])
{
	_cleanup_close_ int dir = open_below(restoring, below);
	struct old_images old = { 0 };
	struct stat st;
	int64_t stamp;
	int r = dir < 0 ? 0
			: old_images_read(&restoring->arena, dir, name, &old);

	if (r < 0 || fstat(image->io->fd, &st) < 0)
		return fail_errno(r < 0 ? r : -errno, "%s/%s", below, name);
	stamp = (int64_t)st.st_mtim.tv_sec * 1000000 +
		st.st_mtim.tv_nsec / 1000;
	for (size_t i = old.n; i-- > 0;) {
		const char *file = arena_printf(&restoring->arena, "%s/%s",
						below, old.v[i].name);

		if (has_identity(restoring, file, image)) {
			stamp_write(old.v[i].stamp, ret);
			return 1;
		}
		/* The smallest first: another image's. */
		if (old.v[i].stamp == stamp)
			stamp++;
	}
	stamp_write(stamp, ret);
	return 0;
}

/* 5.  1: the store has an image NAME. */
static int take_name(const struct restoring *restoring, const char *below,
		     const char *old, const char *path)
{
	_cleanup_close_ int dir = open_below(restoring, below);

	if (dir < 0)
		return fail_errno(dir, "%s", old);
	if (renameat2(dir, name_last(old), dir, name_last(path),
		      RENAME_NOREPLACE) < 0)
		return errno == EEXIST
			       ? 1
			       : fail_errno(-errno, "%s: renaming it", old);
	return fsync(dir) < 0 ? fail_errno(-errno, "%s: sync", path) : 0;
}

/* 4 and 5 */
static int restore_image(struct restoring *restoring, const char *name,
			 const char *below, const char *path,
			 struct chain *chain, const char **ret_which)
{
	struct image *image = chain_leaf(chain);
	char stamp[STAMP_SIZE];
	const char *old;
	struct stat st;
	int r = choose_stamp(restoring, name, below, image, stamp);

	if (r < 0)
		return r;
	old = arena_printf(&restoring->arena, "%s/.%s.%s", below,
			   name_last(path), stamp);
	if (r == 0 && fstat(image->io->fd, &st) < 0)
		r = fail_errno(-errno, "%s", path);
	else if (r == 0)
		r = transfer_image(&restoring->transfer, image->io, old,
				   st.st_mode);
	*ret_which = arena_strdup(&restoring->arena, stamp);
	if (r < 0)
		return r;
	return find_image(restoring, &restoring->fleet->rootdir, below, name)
		       ? 1
		       : take_name(restoring, below, old, path);
}

int restoring_client(struct restoring *restoring, const char *name,
		     const char *disk, const char **ret_which,
		     const char **ret_text)
{
	const char *below = disk ? arena_printf(&restoring->arena,
						DISKS_DIRECTORY "/%s", disk)
				 : CLIENTS_DIRECTORY;
	const char *path = find_image(restoring, &restoring->from, below, name);
	struct transfer *t = &restoring->transfer;
	struct chain *chain;
	int r;

	if (!path)
		return fail(-ENOENT,
			    "%s: expected an image of it in %s, found none",
			    restoring->from.path, below);
	r = chain_open(t->cache, path, 0, &chain);
	if (r < 0)
		return r;
	if (has_identity(restoring, path, chain_leaf(chain))) {
		*ret_text =
			arena_printf(&restoring->arena,
				     "%s is that of the backup already", path);
		chain_close(chain);
		return 0;
	}
	t->copied = 0;
	r = transfer_parents(t, chain, 1);
	if (r == 0)
		r = restore_image(restoring, name, below, path, chain,
				  ret_which);
	if (r == 0)
		*ret_text = arena_printf(&restoring->arena,
					 "%s is restored, %s copied", path,
					 size_text(t->copied));
	chain_close(chain);
	return r;
}

/* 7, of the disk whose images are in a directory. */
static int restore_data_disk(struct restoring *restoring, const char *name,
			     const char *directory)
{
	const char *path =
		find_image(restoring, &restoring->from, directory, name);
	struct transfer *t = &restoring->transfer;
	struct chain *chain;
	struct stat st;
	int r = path ? chain_open(t->cache, path, 0, &chain) : 0;

	if (!path || r < 0)
		return r;
	t->copied = 0;
	if (has_identity(restoring, path, chain_leaf(chain))) {
		print_line(stdout, "%s: %s is that of the backup already", name,
			   path);
	} else if (find_image(restoring, &restoring->fleet->rootdir, directory,
			      name)) {
		r = fail(
			-EEXIST,
			"%s: expected no image in the store, found one, which stays; to have that of the backup, log the client out and type `tgt-glue restore --from %s --disk %s %s'",
			path, restoring->from.path, name_last(directory), name);
	} else {
		r = transfer_parents(t, chain, 1);
		if (r == 0 && fstat(chain_leaf(chain)->io->fd, &st) < 0)
			r = fail_errno(-errno, "%s", path);
		if (r == 0)
			r = transfer_image(t, chain_leaf(chain)->io, path,
					   st.st_mode);
		if (r == 0)
			print_line(stdout, "%s: %s is restored, %s copied",
				   name, path, size_text(t->copied));
	}
	chain_close(chain);
	return r;
}

int restoring_data_disks(struct restoring *restoring, const char *name,
			 void (*report)(const char *name))
{
	const struct fleet *fleet = restoring->fleet;
	int worst = 0;

	for (size_t i = 0; i < fleet->n_sections && stop_check() == 0; i++) {
		int r = restore_data_disk(
			restoring, name,
			arena_printf(&restoring->arena, DISKS_DIRECTORY "/%s",
				     fleet->sections[i].name));

		if (r < 0)
			report(name);
		if (r < 0 && (worst == 0 || worst == -EEXIST))
			worst = r;
	}
	return worst;
}
