/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps of a replacement of a disk's leaf.
 *
 * NAMES, in the directory of the image NAME:
 *
 *   NAME          the image: the old leaf, then the new one
 *   KEEP          what the old leaf is called afterwards, if it stays
 *   .NAME.leaf    the new leaf before it gets the name
 *   .NAME.intent  the intent record: KEEP, the old leaf's mode, the directory's
 *                 number; .NAME.intent.new while it is written
 *
 * ORDER; each step is durable before the next.
 *   L1  Open the old leaf for writing, which finishes what a crash left in it
 *       (a log, a missing footer) and keeps its identity; lock it against all
 *       other processes.  Check that NAME is this file.
 *   L2  Create .NAME.leaf, lock it, and check that the name still is this
 *       file; else begin again.  Mark the empty file as a new leaf; sync it.
 *       Write the new leaf to it: a child that names
 *       its parent by the name that the parent has at the end; with the owner,
 *       the mode and the attributes of the old leaf.
 *   L3  Write the intent.
 *   L4  Link the old leaf to KEEP.
 *   L5  Mark the old leaf, and remove its write bits.
 *   L6  Rename .NAME.leaf to NAME.  From here on the disk has the new leaf.
 *       When the name is durable, remove the mark.
 *   L7  Remove the intent.
 *
 * NAME never disappears: rename replaces it.
 *
 * RECOVERY, with NAME's file locked.  Where there is an intent, L6 was not
 * reached if .NAME.leaf exists or KEEP is the same file as NAME: then steps L2
 * to L5 are undone.  Else the replacement is complete; L6 is made durable, and
 * L7 follows.  A .NAME.leaf without an intent is removed, if it is empty or has
 * the mark of L2: a file that another program gave such a name stays.  A
 * failure of L3 to L6 is undone in the same way. Where there is an intent,
 * neither NAME nor KEEP gets a child but .NAME.leaf: the recovery is done
 * before (settled-parent.h).  A further name of the file, a hard link, may get
 * one: then the undo gives no write bits back.
 *
 * FILES WITHOUT A NAME.  A .NAME.leaf that a crash left may be removed by a
 * process that has not locked NAME: a snapshot is deleted, and the file may be
 * its child; or NAME is a parent that others read (img/replace-image.h).  Every
 * process, the one that recovers too, removes it in this order:
 *   U1  Open it; lock this file against all others.
 *   U2  Check that no intent names it, unless NAME is locked; and that it is
 *       empty or has the mark, unless an intent names it.
 *   U3  Check that the name .NAME.leaf still is this file.
 *   U4  Remove the name .NAME.leaf, of this directory.
 * Its maker has it locked from L2 to the end of L7.  So U1 succeeds
 *   - between the creation and the lock of L2: then the maker's lock waits for
 *     U4, its check finds the name gone, and it creates another file;
 *   - after L7: then U3 finds the name gone, as L6 gave the file the name NAME;
 *   - after the maker's death.
 * From U3 to U4 the name is the same file: to rename it or to remove it takes
 * its lock, and to create another one takes a name that is free.  U2 is as
 * valid at U4: a process that writes an intent has locked its own .NAME.leaf,
 * or it creates one after that, which the name of this file refuses.
 */
#include "config.h"

#include "store/leaf-steps.h"

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
#include "io/io-file.h"
#include "io/lent-bit.h"
#include "store/child-search.h"
#include "store/copy-attributes.h"
#include "store/image-names.h"
#include "store/leaf-intent.h"
#include "store/snapshot.h"

/* The attribute of a .NAME.leaf that leaf_create made. */
#define NEW_LEAF_MARK "user.vhdfs.new-leaf"

static bool is_same_file(const struct leaf_place *place, const char *name)
{
	struct stat st;

	return fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       file_id_equal(file_id_of(&st), file_id_of(&place->st));
}

static bool exists(const struct leaf_place *place, const char *name)
{
	struct stat st;

	return fstatat(place->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The write bits are all that L5 removed, and all that an intent can give. */
static mode_t restored_mode(const struct stat *st,
			    const struct leaf_intent *intent)
{
	return (mode_without_lent(st->st_mode) & 07777) |
	       (intent->mode & MODE_WRITE_BITS);
}

static int unlink_leaf(const struct leaf_place *place)
{
	if (unlinkat(place->fd, place->leaf, 0) < 0 && errno != ENOENT)
		return fail_errno(-errno, "%s/%s", place->dir, place->leaf);
	return 0;
}

static bool is_leaf_of(const struct leaf_place *place, int fd)
{
	struct stat named, opened;

	return fstatat(place->fd, place->leaf, &named, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       fstat(fd, &opened) == 0 &&
	       file_id_equal(file_id_of(&named), file_id_of(&opened));
}

/* vhdfs makes regular files alone. */
static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* U1.  1, or 0 if there is none that vhdfs made. */
static int lock_rest(const struct leaf_place *place, struct io **ret)
{
	_cleanup_close_ int path_fd =
		openat(place->fd, place->leaf, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	int fd, r;

	if (path_fd < 0 && errno == ENOENT)
		return 0;
	if (path_fd < 0)
		return fail_errno(-errno, "%s/%s", place->dir, place->leaf);
	if (!is_regular(path_fd))
		return 0;
	/* It may have the mode of a parent already. */
	fd = lent_bit_open(path_fd, place->path);
	r = fd < 0 ? fd : io_file_from_fd(fd, place->path, true, ret);
	if (r == 0)
		r = io_lock(*ret, IO_LOCK_EXCLUSIVE);
	return r < 0 ? r : 1;
}

/* U2.  A file system without attributes has no marks.  A process may have died
 * before the mark. */
static bool is_new_leaf(const struct io *io)
{
	struct stat st;

	return fgetxattr(io->fd, NEW_LEAF_MARK, NULL, 0) >= 0 ||
	       errno == EOPNOTSUPP ||
	       (fstat(io->fd, &st) == 0 && st.st_size == 0);
}

int leaf_remove_new(const struct leaf_place *place)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int r;

	if (place->made >= 0)
		return is_leaf_of(place, place->made) ? unlink_leaf(place) : 0;
	r = lock_rest(place, &io);
	if (r <= 0 || !is_leaf_of(place, io->fd) ||
	    (!exists(place, place->intent) && !is_new_leaf(io)))
		return r < 0 ? r : 0;
	return unlink_leaf(place);
}

/* U1 to U3, of a file that no intent names.  1, or 0 if there is none. */
static int take_rest(const struct leaf_place *place, struct io **ret)
{
	int r = lock_rest(place, ret);

	if (r <= 0)
		return r;
	if (exists(place, place->intent))
		return fail(-EBUSY,
			    "%s: a snapshot or a revert was interrupted; "
			    "another one finishes or undoes it",
			    place->path);
	return is_new_leaf(*ret) && is_leaf_of(place, (*ret)->fd);
}

int leaf_remove_rest(const struct leaf_place *place)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = take_rest(place, &io), rc = 0;

	if (r > 0)
		rc = unlink_leaf(place);
	return rc < 0 ? rc : r;
}

/* With the write bits, without which an owner may not.  A file system without
 * attributes has no mark. */
static int remove_mark(int fd)
{
	return fremovexattr(fd, SNAPSHOT_MARK) < 0 && errno != ENODATA &&
			       errno != EOPNOTSUPP
		       ? -1
		       : 0;
}

static struct file_id leaf_file(const struct leaf_place *place)
{
	struct stat st;

	return fstatat(place->fd, place->leaf, &st, AT_SYMLINK_NOFOLLOW) < 0
		       ? (struct file_id){ 0 }
		       : file_id_of(&st);
}

/*
 * Has the old leaf a child but .NAME.leaf?  Then an undo gives no write bits
 * back, and removes no mark.  Of NAME and KEEP none was made
 * (settled-parent.h); but of a further name of the file, a hard link, one may
 * have been: a process that makes it finds no intent beside that name, or it
 * did its own undo of a copy of the directory, and its snapshot is this file.
 * An intent that was copied says nothing of the file's children, which may be
 * in any directory: then it is taken for one that has some.
 */
static int find_child(const struct leaf_place *place,
		      const struct leaf_intent *intent, const struct stat *st,
		      bool *ret)
{
	struct stat dir;

	*ret = false;
	if (st->st_nlink <= 2 || mode_write_bits(st->st_mode))
		return 0;
	if (fstat(place->fd, &dir) < 0)
		return fail_errno(-errno, "%s", place->dir);
	*ret = intent->dir && intent->dir != dir.st_ino;
	if (*ret)
		return 0;
	return child_search(place->rootdir, place->dir, place->io,
			    leaf_file(place), ret);
}

/* Undoes L4 and L5 */
static int undo_link(const struct leaf_place *place,
		     const struct leaf_intent *intent)
{
	int fd = place->io->fd, r;
	struct stat st;
	bool has_child;
	mode_t mode;

	if (fstat(fd, &st) < 0)
		return fail_errno(-errno, "%s", place->path);
	r = find_child(place, intent, &st, &has_child);
	if (r < 0)
		return r;
	mode = has_child ? mode_without_lent(st.st_mode) & 07777
			 : restored_mode(&st, intent);
	if (fchmod(fd, mode) < 0 || (!has_child && remove_mark(fd) < 0) ||
	    fsync(fd) < 0 || unlinkat(place->fd, intent->keep, 0) < 0)
		return fail_errno(-errno, "%s", place->path);
	return 0;
}

/* Undoes L2 to L5; place is the old leaf's. */
static int undo(const struct leaf_place *place,
		const struct leaf_intent *intent)
{
	int r = 0;

	if (intent->keep[0] && is_same_file(place, intent->keep))
		r = undo_link(place, intent);
	if (r == 0)
		r = leaf_remove_new(place);
	return r < 0 ? r : leaf_sync_dir(place);
}

/* Its names may be about to change, and the record has the file of its leaf. */
static int check_rename(const struct leaf_place *place)
{
	if (!exists(place, format_arg(".%s.rename", place->name)))
		return 0;
	return fail(-EBUSY,
		    "%s: a rename was interrupted; while no program has the "
		    "image open, `vhdfs-img rename' or another command on its "
		    "snapshots finishes or undoes it",
		    place->path);
}

mode_t leaf_lost_write_bits(struct leaf_place *place)
{
	struct leaf_intent intent = { 0 };

	if (fstatat(place->fd, place->name, &place->st, AT_SYMLINK_NOFOLLOW) <
		    0 ||
	    leaf_intent_read(place, &intent) <= 0 || !intent.keep[0] ||
	    !is_same_file(place, intent.keep))
		return 0;
	return restored_mode(&place->st, &intent) & MODE_WRITE_BITS;
}

int leaf_recover(const struct leaf_place *place, bool *ret_done)
{
	struct leaf_intent intent = { 0 };
	int r = check_rename(place), found;

	if (r < 0)
		return r;
	r = found = leaf_intent_read(place, &intent);
	if (r < 0)
		return r;
	(void)unlinkat(place->fd, format_arg("%s.new", place->intent), 0);
	if (exists(place, place->leaf) ||
	    (intent.keep[0] && is_same_file(place, intent.keep)))
		r = undo(place, &intent);
	/* A process that died may have done L6 in the page cache only. */
	if (r >= 0 && found)
		r = leaf_sync_dir(place);
	if (r >= 0 && found)
		r = leaf_intent_remove(place);
	if (ret_done)
		*ret_done = found;
	return r < 0 ? r : 0;
}

/* No contents become durable without the mark. */
static int mark_new_leaf(const struct leaf_place *place, int fd)
{
	if (fsetxattr(fd, NEW_LEAF_MARK, "1", 1, 0) < 0)
		return errno == EOPNOTSUPP
			       ? 0
			       : fail_errno(-errno,
					    "%s/%s: attribute " NEW_LEAF_MARK,
					    place->dir, place->leaf);
	if (fsync(fd) < 0)
		return fail_errno(-errno, "%s/%s: fsync", place->dir,
				  place->leaf);
	return 0;
}

/* Creates .NAME.leaf, locks and marks it.  1: another process removed the name.
 */
static int create_locked(const struct leaf_place *place, struct io **ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int fd = openat(place->fd, place->leaf,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			S_IRUSR | S_IWUSR);
	int r;

	if (fd < 0 && errno == EEXIST)
		return fail(-EEXIST,
			    "%s/%s: was not made by vhdfs, which needs this "
			    "name; give that file another one",
			    place->dir, place->leaf);
	if (fd < 0)
		return fail_errno(-errno, "%s/%s", place->dir, place->leaf);
	r = io_file_from_fd(fd, place->io->name, true, &io);
	/* A process that has the lock is about to remove the file. */
	if (r == 0)
		r = io_file_lock_unregistered(io, IO_LOCK_EXCLUSIVE);
	if (r < 0 || !is_leaf_of(place, io->fd))
		return r < 0 ? r : 1;
	r = mark_new_leaf(place, io->fd);
	if (r < 0)
		(void)unlink_leaf(place);
	else
		*ret = steal(io);
	return r;
}

/* It keeps its lock until leaf_place_fini. */
static int set_made(struct leaf_place *place, const struct io *io)
{
	place->made = fcntl(io->fd, F_DUPFD_CLOEXEC, 0);
	return place->made < 0
		       ? fail_errno(-errno, "%s/%s", place->dir, place->leaf)
		       : 0;
}

int leaf_create(struct leaf_place *place, struct io **ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int r;

	do
		r = create_locked(place, &io);
	while (r > 0);
	if (r < 0)
		return r;
	r = set_made(place, io);
	if (r < 0)
		(void)unlink_leaf(place);
	else
		*ret = steal(io);
	return r;
}

int leaf_take_rest(struct leaf_place *place, struct io **ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int r = take_rest(place, &io);

	if (r <= 0)
		return r;
	r = set_made(place, io);
	if (r < 0)
		return r;
	*ret = steal(io);
	return 1;
}

void leaf_forget(struct leaf_place *place)
{
	close(place->made);
	place->made = -1;
}

/* L2 */
int leaf_write(const struct leaf_place *place,
	       const struct protected_parent *parent, struct io *io)
{
	_cleanup_free_ char *relative = NULL;
	struct image_params params = {
		.type = IMAGE_DIFFERENCING,
		.block_size = place->img->block_size,
	};
	int r = protected_parent_describe(parent, place->dir, &params,
					  &relative);

	if (r == 0)
		r = image_create(io, place->img->ops, &params);
	if (r == 0)
		r = copy_attributes(place->io->fd, io->fd, SNAPSHOT_MARK,
				    place->path);
	/* fdatasync may omit the attributes. */
	if (r == 0 && fsync(io->fd) < 0)
		r = fail_errno(-errno, "%s/%s: fsync", place->dir, place->leaf);
	if (r == 0)
		r = leaf_sync_dir(place);
	/* It is locked; registered in the recovery memory, only now: a failed
	 * sync before loses nothing. */
	return r < 0 ? r : io_lock(io, IO_LOCK_EXCLUSIVE);
}

/* L4 */
int leaf_link(const struct leaf_place *place, const char *keep)
{
	int code;

	if (linkat(place->fd, place->name, place->fd, keep, 0) == 0)
		return leaf_sync_dir(place);
	code = -errno;
	if (code == -EPERM || code == -EOPNOTSUPP)
		return fail(code,
			    "%s/%s: the file system refuses a hard link to %s, "
			    "which this needs",
			    place->dir, keep, place->name);
	return fail_errno(code, "%s/%s: link", place->dir, keep);
}

/* L5 */
int leaf_mark(const struct leaf_place *place, const char *mark,
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
int leaf_rename(const struct leaf_place *place)
{
	if (renameat(place->fd, place->leaf, place->fd, place->name) < 0)
		return fail_errno(-errno, "%s: rename", place->path);
	return 0;
}

int leaf_sync_rename(const struct leaf_place *place)
{
	int r = leaf_sync_dir(place);

	/* A mark that stays tells nothing of a file of another name. */
	if (r == 0)
		(void)lent_bit_remove_attribute(place->made, NEW_LEAF_MARK);
	return r;
}

void leaf_undo(const struct leaf_place *place, struct protected_parent *parent)
{
	struct error why = *error_last();
	int r;

	if (parent->img != place->img)
		protected_parent_restore(parent);
	r = leaf_recover(place, NULL);
	error_set(&why);
	if (r < 0)
		error_advise("what was begun could not be undone: the next "
			     "command on %s does",
			     place->name);
}
