/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replacement of a disk's leaf.
 *
 * NAMES, in the directory of the image NAME:
 *
 *   NAME          the image: the old leaf, then the new one
 *   KEEP          what the old leaf is called afterwards, if it stays
 *   .NAME.leaf    the new leaf before it gets the name
 *   .NAME.intent  the intent record: KEEP and the old leaf's mode;
 *                 .NAME.intent.new while it is written
 *
 * ORDER; each step is durable before the next.
 *   L1  Open the old leaf for writing, which finishes what a crash left in it
 *       (a log, a missing footer) and keeps its identity; lock it against all
 *       other processes.  Check that NAME is this file.
 *   L2  Write the new leaf as .NAME.leaf: a child that names its parent by the
 *       name that the parent has at the end; with the owner, the mode and the
 *       attributes of the old leaf.  Lock it.
 *   L3  Write the intent.
 *   L4  Link the old leaf to KEEP.
 *   L5  Mark the old leaf, and remove its write bits.
 *   L6  Rename .NAME.leaf to NAME.  From here on the disk has the new leaf.
 *   L7  Remove the intent.
 *
 * NAME never disappears: rename replaces it.
 *
 * RECOVERY, with NAME's file locked.  Where there is an intent, L6 was not
 * reached if .NAME.leaf exists or KEEP is the same file as NAME: then steps L2
 * to L5 are undone.  Else the replacement is complete, and L7 follows.  A
 * .NAME.leaf without an intent is removed.  A failure of L3 to L6 is undone in
 * the same way.
 */
#include "config.h"

#include "store/leaf-replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/atomic-file.h"
#include "io/io-file.h"
#include "store/copy-attributes.h"
#include "store/image-names.h"
#include "store/protected-parent.h"

#define WRITE_BITS (S_IWUSR | S_IWGRP | S_IWOTH)
#define INTENT_HEAD "vhdfs leaf replacement 1\n"

/* The directory and the names of one image; the old leaf, locked. */
struct place {
	char *dir;           /* absolute */
	const char *name;    /* NAME */
	char *path;          /* dir and name; owned */
	char *leaf, *intent; /* the hidden names; owned */
	int fd;              /* of the directory */
	struct io *io;       /* of the old leaf; owned, unless img has it */
	struct image *img;
	struct stat st; /* of the old leaf's file */
};

static void place_fini(struct place *place)
{
	if (place->img)
		image_close(place->img);
	else if (place->io)
		io_close(place->io);
	if (place->fd >= 0)
		close(place->fd);
	free(place->dir);
	free(place->path);
	free(place->leaf);
	free(place->intent);
}

/* The names: real is the path that root_dir_open returned. */
static int place_name(struct place *place, const struct root_dir *rootdir,
		      const char *real)
{
	const char *root = rootdir->confined ? rootdir->path : "";
	char *slash;

	if (asprintf(&place->path, "%s%s%s", strcmp(root, "/") ? root : "",
		     rootdir->confined ? "/" : "", real) < 0) {
		place->path = NULL;
		return fail(-ENOMEM, "%s: out of memory", real);
	}
	place->dir = strdup(place->path);
	if (!place->dir)
		return fail(-ENOMEM, "%s: out of memory", real);
	slash = strrchr(place->dir, '/');
	*slash = '\0';
	place->name = place->path + (slash - place->dir) + 1;
	if (asprintf(&place->leaf, ".%s.leaf", place->name) < 0)
		place->leaf = NULL;
	if (asprintf(&place->intent, ".%s.intent", place->name) < 0)
		place->intent = NULL;
	return place->leaf && place->intent
		       ? 0
		       : fail(-ENOMEM, "%s: out of memory", real);
}

/* Checks that NAME still is the file that was opened and locked. */
static int place_check(struct place *place)
{
	struct stat st;

	if (fstat(place->io->fd, &place->st) < 0 ||
	    fstatat(place->fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(-errno, "%s", place->path);
	if (file_id_equal(file_id_of(&st), file_id_of(&place->st)))
		return 0;
	return fail(-EBUSY,
		    "%s: was replaced by another program just now; run the "
		    "command again",
		    place->path);
}

/* A descriptor or -errno, without a message. */
static int open_directory(struct place *place, const struct root_dir *rootdir,
			  const char *real)
{
	_cleanup_free_ char *dir =
		strndup(real, (size_t)(name_last(real) - real));

	if (!dir)
		return -ENOMEM;
	place->fd = root_dir_openat(rootdir, *dir ? dir : ".",
				    O_RDONLY | O_DIRECTORY);
	return place->fd;
}

/* Opens the directory and the file of the image, and locks the file. */
static int place_open(struct place *place, const struct root_dir *rootdir,
		      const char *image)
{
	_cleanup_free_ char *real = NULL;
	int r;

	*place = (struct place){ .fd = -1 };
	r = root_dir_open(rootdir, image, true, &place->io, &real);
	if (r == 0)
		r = place_name(place, rootdir, real);
	if (r < 0)
		return r;
	r = open_directory(place, rootdir, real);
	if (r < 0)
		return fail_errno(r, "%s", place->dir);
	r = io_lock(place->io, IO_LOCK_EXCLUSIVE);
	return r < 0 ? r : place_check(place);
}

static int sync_dir(const struct place *place)
{
	if (fsync(place->fd) == 0 || errno == EINVAL || errno == EROFS)
		return 0;
	return fail_errno(-errno, "%s: fsync", place->dir);
}

/* The intent's contents. */
struct intent {
	char keep[NAME_MAX + 1]; /* empty: none */
	mode_t mode;             /* of the old leaf */
};

/* 1, or 0 if there is none. */
static int intent_read(const struct place *place, struct intent *ret)
{
	char buf[NAME_MAX + 128];
	int fd = openat(place->fd, place->intent,
			O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const size_t head = strlen(INTENT_HEAD);
	unsigned mode;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd < 0 ? -1 : read(fd, buf, sizeof buf - 1);
	if (n < 0) {
		int r = fail_errno(-errno, "%s/%s", place->dir, place->intent);

		if (fd >= 0)
			close(fd);
		return r;
	}
	close(fd);
	buf[n] = '\0';
	*ret = (struct intent){ 0 };
	if (!strncmp(buf, INTENT_HEAD, head) &&
	    sscanf(buf + head, "mode %o\nkeep %255[^/\n]", &mode, ret->keep) >=
		    1) {
		ret->mode = mode & 07777;
		return 1;
	}
	return fail(-EBADMSG,
		    "%s/%s: expected the record of an interrupted snapshot or "
		    "revert of %s, found other text; remove the file if no "
		    "vhdfs-img made it",
		    place->dir, place->intent, place->name);
}

/* L3 */
static int intent_write(const struct place *place, const char *keep)
{
	_cleanup_free_ char *path = NULL, *text = NULL;

	if (asprintf(&path, "%s/%s", place->dir, place->intent) < 0)
		path = NULL;
	if (asprintf(&text, INTENT_HEAD "mode %o\nkeep %s\n",
		     (unsigned)place->st.st_mode & 07777, keep ? keep : "") < 0)
		text = NULL;
	if (!path || !text)
		return fail(-ENOMEM, "%s: out of memory", place->path);
	return atomic_file_write(path, text, 0644, ATOMIC_FILE_ANY_GROUP);
}

/* L7 */
static int intent_remove(const struct place *place)
{
	if (unlinkat(place->fd, place->intent, 0) < 0 && errno != ENOENT)
		return fail_errno(-errno, "%s/%s", place->dir, place->intent);
	return sync_dir(place);
}

static bool is_same_file(const struct place *place, const char *name)
{
	struct stat st;

	return fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       file_id_equal(file_id_of(&st), file_id_of(&place->st));
}

static bool exists(const struct place *place, const char *name)
{
	struct stat st;

	return fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The write bits are all that L5 removed, and all that an intent can give. */
static mode_t restored_mode(const struct place *place,
			    const struct intent *intent)
{
	return (place->st.st_mode & 07777) | (intent->mode & WRITE_BITS);
}

/* Undoes L2 to L5; place is the old leaf's. */
static int undo(const struct place *place, const struct intent *intent)
{
	int fd = place->io->fd;

	if (intent->keep[0] && is_same_file(place, intent->keep)) {
		(void)fremovexattr(fd, SNAPSHOT_MARK);
		if (fchmod(fd, restored_mode(place, intent)) < 0 ||
		    fsync(fd) < 0 || unlinkat(place->fd, intent->keep, 0) < 0)
			return fail_errno(-errno, "%s", place->path);
	}
	if (unlinkat(place->fd, place->leaf, 0) < 0 && errno != ENOENT)
		return fail_errno(-errno, "%s/%s", place->dir, place->leaf);
	return sync_dir(place);
}

/* See RECOVERY.  place is NAME's. */
static int recover(const struct place *place, bool *ret_done)
{
	struct intent intent = { 0 };
	int r = intent_read(place, &intent), found = r;

	if (r < 0)
		return r;
	(void)unlinkat(place->fd, format_arg("%s.new", place->intent), 0);
	if (exists(place, place->leaf) ||
	    (intent.keep[0] && is_same_file(place, intent.keep)))
		r = undo(place, &intent);
	if (r >= 0 && found)
		r = intent_remove(place);
	if (ret_done)
		*ret_done = found;
	return r < 0 ? r : 0;
}

/* Does .NAME.ENDING exist beside the image? */
static bool has_hidden(const struct root_dir *rootdir, const char *image,
		       const char *ending)
{
	_cleanup_free_ char *path = NULL;
	const char *name = name_last(image);
	int fd;

	if (asprintf(&path, "%.*s.%s.%s", (int)(name - image), image, name,
		     ending) < 0) {
		path = NULL;
		return false;
	}
	fd = root_dir_openat(rootdir, path, O_PATH | O_NOFOLLOW);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool leaf_replace_is_pending(const struct root_dir *rootdir, const char *image)
{
	return has_hidden(rootdir, image, "leaf") ||
	       has_hidden(rootdir, image, "intent");
}

int leaf_replace_recover(const struct root_dir *rootdir, const char *image,
			 bool *ret_done)
{
	_cleanup_(place_fini) struct place place;
	int r = place_open(&place, rootdir, image);

	return r < 0 ? r : recover(&place, ret_done);
}

/* L1, after place_open. */
static int open_old(struct place *place)
{
	int r;

	if (fstat(place->io->fd, &place->st) < 0)
		return fail_errno(-errno, "%s", place->path);
	if (!(place->st.st_mode & WRITE_BITS))
		return fail(-EPERM,
			    "%s: write permission: expected some, found none; "
			    "an image with children keeps its name",
			    place->path);
	r = image_open(place->io, NULL, &place->img);
	return r < 0 ? r : image_settle(place->img);
}

static int check_keep(const struct place *place, const char *keep)
{
	if (!keep || !exists(place, keep))
		return 0;
	return fail(-EEXIST, "%s/%s: file exists", place->dir, keep);
}

/* The parent of the new leaf: the old leaf under the name keep, or another
 * image. */
static int open_parent(const struct place *place,
		       const struct leaf_replacement *replacement,
		       struct protected_parent *ret)
{
	if (replacement->parent)
		return protected_parent_open(replacement->rootdir,
					     replacement->parent, ret);
	ret->img = place->img;
	if (asprintf(&ret->path, "%s/%s", place->dir, replacement->keep) >= 0)
		return 0;
	ret->path = NULL;
	return fail(-ENOMEM, "%s: out of memory", place->path);
}

static void close_parent(const struct place *place,
			 struct protected_parent *parent)
{
	if (parent->img == place->img)
		parent->img = NULL;
	protected_parent_close(parent);
}

/* A new file .NAME.leaf, locked. */
static int create_leaf(const struct place *place, struct io **ret)
{
	int fd = openat(place->fd, place->leaf,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			S_IRUSR | S_IWUSR);
	_cleanup_(io_close_p) struct io *io = NULL;
	int r;

	if (fd < 0)
		return fail_errno(-errno, "%s/%s", place->dir, place->leaf);
	r = io_file_from_fd(fd, place->path, true, &io);
	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		*ret = steal(io);
	return r;
}

/* L2 */
static int write_leaf(const struct place *place,
		      const struct protected_parent *parent, struct io **ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	_cleanup_free_ char *relative = NULL;
	struct image_params params = {
		.type = IMAGE_DIFFERENCING,
		.block_size = place->img->block_size,
	};
	int r = create_leaf(place, &io);

	if (r == 0)
		r = protected_parent_describe(parent, place->dir, &params,
					      &relative);
	if (r == 0)
		r = image_create(io, place->img->ops, &params);
	if (r == 0)
		r = copy_attributes(place->io->fd, io->fd, SNAPSHOT_MARK,
				    place->path);
	if (r == 0)
		r = io_sync(io);
	if (r == 0)
		r = sync_dir(place);
	if (r == 0)
		*ret = steal(io);
	return r;
}

/* L4 */
static int link_old(const struct place *place, const char *keep)
{
	int code;

	if (linkat(place->fd, place->name, place->fd, keep, 0) == 0)
		return sync_dir(place);
	code = -errno;
	if (code == -EPERM || code == -EOPNOTSUPP)
		return fail(code,
			    "%s/%s: the file system refuses a hard link to %s, "
			    "which this needs",
			    place->dir, keep, place->name);
	return fail_errno(code, "%s/%s: link", place->dir, keep);
}

/* L5 */
static int mark_old(const struct place *place, const char *mark,
		    struct protected_parent *parent)
{
	int code;

	if (mark && fsetxattr(place->io->fd, SNAPSHOT_MARK, mark, strlen(mark),
			      0) < 0) {
		code = -errno;
		if (code == -EOPNOTSUPP)
			return fail(code,
				    "%s: the file system keeps no extended "
				    "attributes, which a snapshot needs",
				    place->path);
		return fail_errno(code, "%s: attribute " SNAPSHOT_MARK,
				  place->path);
	}
	if (parent->img != place->img && fsync(place->io->fd) < 0)
		return fail_errno(-errno, "%s: fsync", place->path);
	return protected_parent_protect(parent);
}

/* L6 */
static int rename_leaf(const struct place *place)
{
	if (renameat(place->fd, place->leaf, place->fd, place->name) < 0)
		return fail_errno(-errno, "%s: rename", place->path);
	return 0;
}

/* L3 to L6.  *ret_renamed: L6 was done, so nothing is to be undone. */
static int replace(const struct place *place,
		   const struct leaf_replacement *replacement,
		   struct protected_parent *parent, bool *ret_renamed)
{
	const char *keep = replacement->keep;
	int r = intent_write(place, keep);

	if (r == 0 && keep)
		r = link_old(place, keep);
	if (r == 0)
		r = mark_old(place, replacement->mark, parent);
	if (r == 0)
		r = rename_leaf(place);
	*ret_renamed = r == 0;
	return r < 0 ? r : sync_dir(place);
}

static void undo_failed(const struct place *place,
			struct protected_parent *parent)
{
	struct error why = *error_last();
	int r;

	if (parent->img != place->img)
		protected_parent_restore(parent);
	r = recover(place, NULL);
	error_set(&why);
	if (r < 0)
		error_advise("what was begun could not be undone: the next "
			     "command on %s does",
			     place->name);
}

static int replace_with(const struct place *place,
			const struct leaf_replacement *replacement,
			struct protected_parent *parent)
{
	_cleanup_(io_close_p) struct io *leaf = NULL;
	bool renamed = false;
	int r = write_leaf(place, parent, &leaf);

	if (r == 0)
		r = replace(place, replacement, parent, &renamed);
	if (r == 0)
		r = intent_remove(place);
	else if (!renamed)
		undo_failed(place, parent);
	if (r < 0 && renamed)
		error_advise("%s has its new leaf, which a power cut may still "
			     "undo",
			     place->path);
	return r;
}

int leaf_replace(const struct leaf_replacement *replacement)
{
	_cleanup_(place_fini) struct place place;
	struct protected_parent parent = { 0 };
	int r = place_open(&place, replacement->rootdir, replacement->image);

	if (r == 0)
		r = recover(&place, NULL);
	if (r == 0)
		r = check_keep(&place, replacement->keep);
	if (r == 0)
		r = open_old(&place);
	if (r == 0)
		r = open_parent(&place, replacement, &parent);
	if (r == 0)
		r = replace_with(&place, replacement, &parent);
	close_parent(&place, &parent);
	return r;
}
