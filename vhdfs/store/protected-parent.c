/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parent that is given a child: open, and protected from writers. */
#include "config.h"

#include "store/protected-parent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "io/lent-bit.h"

/* Each failure takes another program that replaced the file just then. */
enum { OPEN_TRIES = 8 };

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
	struct stat st;
	int r;

	lent_bit_clear(parent->fd, parent->name);
	if (fstat(parent->fd, &st) < 0)
		return fail_errno(-errno, "%s", parent->name);
	if (!mode_write_bits(st.st_mode))
		return 0;
	if (fchmod(parent->fd, st.st_mode & ~MODE_WRITE_BITS) == 0) {
		*removed |= st.st_mode & MODE_WRITE_BITS;
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

/* If another process has the parent locked it may be creating a child of it,
 * and have found the bits removed already; then they stay removed. */
void protected_parent_restore(struct protected_parent *p)
{
	struct io *parent = p->img->io;
	struct error why = *error_last();
	struct stat st;
	bool in_use = io_file_in_use(parent, NULL, 0) != 0;

	error_set(&why);
	if (p->removed && !in_use && fstat(parent->fd, &st) == 0 &&
	    fchmod(parent->fd, st.st_mode | p->removed) < 0)
		error_advise("the write permission of %s could not be restored",
			     parent->name);
}

/* Does the path still lead to this file? */
static bool is_named(const struct root_dir *rootdir, const char *real,
		     const struct io *io)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (rootdir->ops)
		return true;
	fd = root_dir_openat(rootdir, real, O_PATH | O_NOFOLLOW);
	return fd >= 0 && fstat(fd, &st) == 0 &&
	       file_id_equal(file_id_of(&st), io_file_id(io));
}

/* The path as a child stores it. */
static char *absolute_path(const struct root_dir *rootdir, const char *real)
{
	char *path;

	if (!rootdir->confined)
		return strdup(real);
	return asprintf(&path, "%s/%s",
			strcmp(rootdir->path, "/") ? rootdir->path : "",
			real) < 0
		       ? NULL
		       : path;
}

/* 1: before the lock the file lost its name: it is removed, or replaced. */
static int try_open(const struct root_dir *rootdir, const char *path,
		    struct protected_parent *ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	_cleanup_free_ char *real = NULL;
	int r = root_dir_open(rootdir, path, false, &io, &real);

	if (r == 0)
		r = io_lock(io, IO_LOCK_SHARED);
	if (r < 0)
		return r;
	if (!is_named(rootdir, real, io))
		return 1;
	ret->path = absolute_path(rootdir, real);
	r = ret->path ? image_open(io, NULL, &ret->img)
		      : fail(-ENOMEM, "%s: out of memory", path);
	if (r == 0)
		steal(io); /* It is the image's. */
	else
		free(steal(ret->path));
	return r;
}

int protected_parent_open(const struct root_dir *rootdir, const char *path,
			  struct protected_parent *ret)
{
	int r = 1;

	for (int tries = 0; r > 0 && tries < OPEN_TRIES; tries++)
		r = try_open(rootdir, path, ret);
	return r <= 0 ? r
		      : fail(-EBUSY,
			     "%s: was replaced by other programs several "
			     "times just now; run the command again",
			     path);
}

int protected_parent_protect(struct protected_parent *p)
{
	int r = remove_write_bits(p->img->io, &p->removed);

	return r < 0 ? r : sync_parent(p->img->io);
}

int protected_parent_describe(const struct protected_parent *p, const char *dir,
			      struct image_params *ret, char **ret_relative)
{
	struct stat st;

	if (fstat(p->img->io->fd, &st) < 0)
		return fail_errno(-errno, "%s", p->path);
	*ret_relative = relative_path(dir, p->path);
	if (!*ret_relative)
		return fail(-ENOMEM, "%s: out of memory", p->path);
	ret->parent = p->img;
	ret->parent_relative = *ret_relative;
	ret->parent_absolute = p->path;
	ret->parent_mtime = st.st_mtime;
	return 0;
}

bool protected_parent_is_named(struct image *child,
			       const struct image_params *params)
{
	struct parent_ref ref = { 0 };
	bool same = child->type == IMAGE_DIFFERENCING &&
		    image_parent(child, &ref) == 0 && ref.relative &&
		    !strcmp(ref.relative, params->parent_relative) &&
		    guid_equal(&ref.id, &params->parent->id) &&
		    (!ref.mtime || ref.mtime == params->parent_mtime);

	parent_ref_fini(&ref);
	return same;
}

void protected_parent_close(struct protected_parent *p)
{
	if (p->img)
		image_close(p->img);
	free(p->path);
	*p = (struct protected_parent){ 0 };
}
