/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creating a differencing image (child).
 *
 * ORDER of the changes on disk:
 *
 *   1. open the parent for reading and lock it against writers
 *   2. write the child under a temporary name that begins with a dot; sync it
 *   3. remove the parent's write permission bits
 *   4. sync the parent: a process that died may have left changes in the page
 *      cache only, and the identifier by which the child names its parent does
 *      not tell these from what is on disk after a power cut
 *   5. give the child its name; sync its directory
 *   6. unlock the parent
 *
 * A crash before 5 leaves no child: at most a parent without write bits and a
 * temporary file.  From 5 on no writer can open the parent, because its bits
 * are removed before the child exists.  A failure after 3 and before 5 gives
 * the parent its bits back.
 */
#include "config.h"

#include "store/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "format/image.h"
#include "format/registry.h"
#include "io/atomic-file.h"
#include "io/io-file.h"
#include "io/rootdir.h"

/*
 * The path of file relative to directory dir, both absolute and without links:
 * "./f", "../f", "../masters/f".  The caller's to free; null: out of memory.
 */
static char *relative_path(const char *dir, const char *file)
{
	size_t common = 0, len = 2, ups = 0;
	char *path, *p;

	/* The common part ends at the end of a name in both. */
	for (size_t i = 0; dir[i] == file[i] || (!dir[i] && file[i] == '/');
	     i++) {
		if (file[i] == '/')
			common = i;
		if (!dir[i])
			break;
	}
	for (const char *d = dir + common; *d; d++)
		ups += *d == '/' && d[1];
	len += 3 * ups + strlen(file + common);
	path = malloc(len + 1);
	if (!path)
		return NULL;
	p = stpcpy(path, ups ? "" : "./");
	for (; ups; ups--)
		p = stpcpy(p, "../");
	strcpy(p, file + common + 1);
	return path;
}

/* Can this process write the file?  Tries to open it: an immutable file has
 * write bits, too. */
static bool can_be_written(const struct io *parent)
{
	int fd = fd_reopen(parent->fd, O_WRONLY);

	if (fd >= 0)
		close(fd);
	return fd != -EPERM && fd != -EACCES && fd != -EROFS && fd != -ETXTBSY;
}

/*
 * Removes the parent's write bits, and adds them to *removed.  Where they
 * cannot be removed (immutable, owned by another user, on a read-only file
 * system) this is no failure if this process cannot write the file anyway.
 */
static int remove_write_bits(struct io *parent, mode_t *removed)
{
	const mode_t bits = S_IWUSR | S_IWGRP | S_IWOTH;
	struct stat st;
	int r;

	if (fstat(parent->fd, &st) < 0)
		return fail_errno(-errno, "%s", parent->name);
	if (!(st.st_mode & bits))
		return 0;
	if (fchmod(parent->fd, st.st_mode & ~bits) == 0) {
		*removed |= st.st_mode & bits;
		return 0;
	}
	r = -errno;
	if (r == -EROFS || (r == -EPERM && !can_be_written(parent)))
		return 0;
	fail_errno(
		r,
		"%s: cannot remove its write permission; a child of a "
		"writable parent is not safe; as its owner, run `chmod a-w %s'",
		parent->name, shell_word(parent->name));
	return r;
}

/* Makes the parent's contents and permissions durable, whichever process wrote
 * them.  A read-only file system may have no sync. */
static int sync_parent(struct io *parent)
{
	if (fsync(parent->fd) == 0 || errno == EINVAL || errno == EROFS)
		return 0;
	return fail_errno(-errno, "%s: fsync", parent->name);
}

/* No child was created: restores the parent's write bits.  If another process
 * has the parent locked it may be creating a child of it, and have found the
 * bits removed already; then they stay removed. */
static void restore_write_bits(struct io *parent, mode_t removed)
{
	struct error why = *error_last();
	struct stat st;
	bool in_use = io_file_in_use(parent, NULL, 0) != 0;

	error_set(&why);
	if (removed && !in_use && fstat(parent->fd, &st) == 0 &&
	    fchmod(parent->fd, st.st_mode | removed) < 0)
		error_advise("the write permission of %s could not be restored",
			     parent->name);
}

/* Opens the parent and locks it against writers.  *ret_path: its absolute path,
 * links followed; the caller's to free. */
static int open_parent(const struct root_dir *rootdir, const char *path,
		       struct image **ret, char **ret_path)
{
	_cleanup_free_ char *real = NULL;
	struct io *io;
	int r = root_dir_open(rootdir, path, false, &io, &real);

	if (r < 0)
		return r;
	r = io_lock(io, IO_LOCK_SHARED);
	if (r == 0 && !rootdir->confined)
		*ret_path = steal(real);
	else if (r == 0 &&
		 asprintf(ret_path, "%s/%s",
			  strcmp(rootdir->path, "/") ? rootdir->path : "",
			  real) < 0)
		r = fail(-ENOMEM, "%s: out of memory", path);
	if (r == 0)
		r = image_open(io, NULL, ret);
	if (r < 0)
		io_close(io);
	return r;
}

/* dir: absolute path of the child's directory, links followed. */
static int write_child(struct io *io, const char *dir, const char *parent_path,
		       const struct image *parent,
		       const struct child_params *params)
{
	_cleanup_free_ char *relative = relative_path(dir, parent_path);
	struct image_params image = {
		.type = IMAGE_DIFFERENCING,
		.block_size = params->block_size,
		.parent = parent,
		.parent_relative = relative,
		.parent_absolute = parent_path,
	};
	struct stat st;

	if (!relative)
		return fail(-ENOMEM, "%s: out of memory", io->name);
	if (fstat(parent->io->fd, &st) < 0)
		return fail_errno(-errno, "%s", parent_path);
	image.parent_mtime = st.st_mtime;
	return image_create(io, parent->ops, &image);
}

int child_create(const struct root_dir *rootdir, const char *parent_path,
		 const char *child_path, const struct child_params *params)
{
	_cleanup_free_ char *path = NULL;
	struct image *parent;
	struct atomic_file file = { 0 };
	int r = open_parent(rootdir, parent_path, &parent, &path); /* 1 */
	mode_t removed = 0;

	if (r < 0)
		return r;
	r = atomic_file_create(child_path,
			       rootdir->confined ? rootdir->path : NULL,
			       params->room, &file);
	if (r == 0)
		r = write_child(file.io, file.dir, path, parent, params);
	if (r == 0)
		r = io_sync(file.io); /* 2 */
	if (r == 0)
		r = remove_write_bits(parent->io, &removed); /* 3 */
	if (r == 0)
		r = sync_parent(parent->io); /* 4 */
	if (r == 0)
		r = atomic_file_publish(&file); /* 5 */
	/* A child that has its name, though perhaps not durably, keeps the bits
	 * removed. */
	if (r < 0 && file.temp)
		restore_write_bits(parent->io, removed);
	atomic_file_fini(&file);
	image_close(parent); /* 6 */
	return r;
}

/* The locator depends on the child's directory: it makes a VHD longer by less
 * than this. */
enum { LOCATOR_SLACK = 64 * 1024 };

int child_size(const struct root_dir *rootdir, const char *parent_path,
	       const struct child_params *params, uint64_t *ret)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_(io_close_p) struct io *io = NULL;
	struct image *parent;
	int fd, r = open_parent(rootdir, parent_path, &parent, &path);

	if (r < 0)
		return r;
	fd = memfd_create("child", MFD_CLOEXEC);
	r = fd < 0 ? fail_errno(-errno, "memfd_create")
		   : io_file_from_fd(fd, "child", true, &io);
	if (r == 0)
		r = write_child(io, "/", path, parent, params);
	if (r == 0)
		r = io_size(io, ret);
	if (r == 0)
		*ret += LOCATOR_SLACK;
	image_close(parent);
	return r;
}
