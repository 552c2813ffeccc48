/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORDER of what happens to the file system:
 *
 *   1. the parent is opened for reading and locked against writers
 *   2. the child is written under a dotted name, and synced
 *   3. the parent loses its write bits
 *   4. the parent is synced: a process that died may have left its changes in
 *      the page cache only, and the child names the parent by an id that such
 *      changes have in common with what a power cut would leave
 *   5. the child takes its name; its directory is synced
 *   6. the lock goes
 *
 * Interrupted before 5 there is no child: at worst a parent that nobody writes
 * to any more, and a dotted file.  From 5 on no writer gets at the parent: the
 * bits are gone before the child is there.  What fails after 3 and before the
 * child has its name gives the parent its bits back.
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
#include "chain/chain.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "io/atomic-file.h"
#include "io/rootdir.h"

/*
 * The way from directory dir to file, both absolute and real: "./f", "../f",
 * "../masters/f".  Null when out of memory.
 */
static char *relative_path(const char *dir, const char *file)
{
	size_t common = 0, len = 2, ups = 0;
	char *path, *p;

	/* The part that both share ends where in both a name ends. */
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

/* May this process write the file?  Only opening it tells: an immutable file,
 * say, has write bits. */
static bool can_be_written(const struct io *parent)
{
	char path[40];
	int fd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", parent->fd);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || (errno != EPERM && errno != EACCES &&
			   errno != EROFS && errno != ETXTBSY);
}

/*
 * Adds to taken, also where it fails, the bits that are gone.  A file whose
 * bits cannot be taken (immutable, another user's, on a read-only file system)
 * keeps them where this process cannot write it either.
 */
static int take_write_bits(struct io *parent, mode_t *taken)
{
	const mode_t bits = S_IWUSR | S_IWGRP | S_IWOTH;
	struct stat st;
	int r;

	if (fstat(parent->fd, &st) < 0)
		return fail_errno(-errno, "%s", parent->name);
	if (!(st.st_mode & bits))
		return 0;
	if (fchmod(parent->fd, st.st_mode & ~bits) == 0) {
		*taken |= st.st_mode & bits;
		return 0;
	}
	r = -errno;
	if (r == -EROFS || (r == -EPERM && !can_be_written(parent)))
		return 0;
	fail_errno(r,
		   "%s: taking its write bits, without which no child is "
		   "safe; as its owner, run `chmod a-w %s'",
		   parent->name, shell_word(parent->name));
	return r;
}

/*
 * What the child was made of is durable, and so are the bits, whichever process
 * wrote them.  File systems that are never written have no sync.
 */
static int sync_parent(struct io *parent)
{
	if (fsync(parent->fd) == 0 || errno == EINVAL || errno == EROFS)
		return 0;
	return fail_errno(-errno, "%s: fsync", parent->name);
}

/* There is no child.  Who else has the parent open may be making one of it, and
 * have found the bits gone already: then they stay so. */
static void give_write_bits(struct io *parent, mode_t taken)
{
	struct error why = *error_last();
	struct stat st;
	bool in_use = io_file_in_use(parent, NULL, 0) != 0;

	error_set(&why);
	if (taken && !in_use && fstat(parent->fd, &st) == 0 &&
	    fchmod(parent->fd, st.st_mode | taken) < 0)
		error_advise("%s has lost its write bits", parent->name);
}

/* Opens the image, and locks it against writers; *ret_path is its real,
 * absolute path. */
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

/* dir: the real path of the directory that the child is for. */
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

static int begin_child(const struct root_dir *rootdir, const char *path,
		       const struct child_params *params,
		       struct atomic_file *ret)
{
	const char *within = rootdir->confined ? rootdir->path : NULL;

	return params->room ? atomic_file_create_over(path, within,
						      params->room, ret)
			    : atomic_file_create(path, within, ret);
}

int child_create(const struct root_dir *rootdir, const char *parent_path,
		 const char *child_path, const struct child_params *params)
{
	_cleanup_free_ char *path = NULL;
	struct image *parent;
	struct atomic_file file = { 0 };
	int r = open_parent(rootdir, parent_path, &parent, &path); /* 1 */
	mode_t taken = 0;

	if (r < 0)
		return r;
	r = begin_child(rootdir, child_path, params, &file);
	if (r == 0)
		r = write_child(file.io, file.dir, path, parent, params);
	if (r == 0)
		r = io_sync(file.io); /* 2 */
	if (r == 0)
		r = take_write_bits(parent->io, &taken); /* 3 */
	if (r == 0)
		r = sync_parent(parent->io); /* 4 */
	if (r == 0)
		r = atomic_file_publish(&file); /* 5 */
	/* A child that has its name, though not durably, needs them gone. */
	if (r < 0 && file.temp)
		give_write_bits(parent->io, taken);
	atomic_file_fini(&file);
	image_close(parent); /* 6 */
	return r;
}

/* The directory that it will be in makes a VHD longer by less than this. */
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
