/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Root directory: opens files inside a directory only.
 *
 * A file is first opened with O_PATH, which has no effect on a device or FIFO,
 * and its type is checked.  Then it is opened for I/O through /proc/self/fd, so
 * a rename between the two steps cannot replace it.
 */
#include "config.h"

#include "io/rootdir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fold.h"
#include "io/io-file.h"
#include "io/lent-bit.h"

int root_dir_fail(int code, const char *path)
{
	fail_errno(code, "%s", path);
	if (code == -ENOENT)
		error_advise("create it with `mkdir -p %s'", shell_word(path));
	else if (code == -ENOTDIR)
		error_advise("name the directory that contains it");
	return code;
}

/* openat2 of a path that must not leave directory dir_fd.  A descriptor or
 * -errno. */
static int open_beneath(int dir_fd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (unsigned)flags | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof how);

	return fd < 0 ? -errno : (int)fd;
}

/*
 * Without openat2 no path can be confined: old kernels and some seccomp filters
 * answer ENOSYS, other filters EPERM.
 */
static int check_openat2(int dir_fd, const char *path)
{
	int fd = open_beneath(dir_fd, ".", O_PATH | O_DIRECTORY);

	if (fd >= 0)
		close(fd);
	if (fd != -ENOSYS && fd != -EPERM)
		return 0;
	return fail(
		-EOPNOTSUPP,
		"%s: openat2: %s; this system call is needed: use Linux 5.6 or later, and allow it in the container's seccomp profile (in a systemd unit, remove RestrictSUIDSGID=)",
		path, strerror(-fd));
}

int root_dir_init(struct root_dir *rootdir, const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *root;
	int r;

	if (fd < 0)
		return root_dir_fail(-errno, path);
	r = check_openat2(fd, path);
	if (r < 0)
		return r;
	root = fd_path(fd);
	if (!root)
		return fail(-ENOMEM,
			    "%s: reading its real path from /proc "
			    "failed",
			    path);
	*rootdir = (struct root_dir){ .fd = steal_fd(&fd),
				      .path = root,
				      .confined = true };
	return 0;
}

void root_dir_fini(struct root_dir *rootdir)
{
	if (rootdir->fd >= 0)
		close(rootdir->fd);
	free(rootdir->path);
	rootdir->fd = -1;
	rootdir->path = NULL;
}

const char *root_dir_below(const char *root, const char *real)
{
	size_t n = strcmp(root, "/") ? strlen(root) : 0;

	if (!strcmp(real, root))
		return ".";
	return !strncmp(real, root, n) && real[n] == '/' ? real + n + 1 : NULL;
}

int root_dir_relative(const char *root, const char *path, char **ret)
{
	_cleanup_free_ char *real = realpath(path, NULL);
	const char *inside;

	if (!real)
		return fail_errno(-errno, "%s", path);
	inside = root_dir_below(root, real);
	if (!inside)
		return fail(-EXDEV, "%s: lies outside the store %s", path,
			    root);
	*ret = strdup(inside);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

int root_dir_openat(const struct root_dir *rootdir, const char *path, int flags)
{
	int fd = -EAGAIN;

	if (!rootdir->confined) {
		fd = openat(rootdir->fd, path, flags | O_CLOEXEC);
		return fd < 0 ? -errno : fd;
	}
	/* EAGAIN: a concurrent rename. */
	for (int tries = 0; fd == -EAGAIN && tries < 32; tries++)
		fd = open_beneath(rootdir->fd, path, flags);
	return fd;
}

DIR *root_dir_opendir(const struct root_dir *rootdir, const char *path)
{
	_cleanup_close_ int fd = root_dir_openat(rootdir, *path ? path : ".",
						 O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (fd < 0)
		errno = -fd;
	if (dir)
		steal_fd(&fd); /* It is the DIR's. */
	return dir;
}

char *root_dir_real_path(const struct root_dir *rootdir, int fd,
			 const char *path)
{
	_cleanup_free_ char *real = fd_path(fd);
	const char *inside;

	if (!real || !rootdir->confined)
		return steal(real);
	inside = root_dir_below(rootdir->path, real);
	/* Outside: the file was moved since it was opened. */
	return strdup(inside ? inside : path);
}

static int fail_reopen(int code, const char *path)
{
	fail_errno(code, "%s", path);
	/* EBUSY comes from a mount of vhdfs: path is a view. */
	if (code == -EBUSY)
		error_advise(
			"another mount or program writes its image, which `vhdfs-img info' of that file names; end that first");
	return code;
}

enum access { READ, WRITE, WRITE_AS_OWNER };

/* A descriptor for I/O. */
static int open_again(int path_fd, const char *path, enum access access)
{
	int fd;

	if (access == WRITE_AS_OWNER)
		return lent_bit_open(path_fd, path);
	fd = fd_reopen(path_fd, access == WRITE ? O_RDWR : O_RDONLY);
	return fd < 0 ? fail_reopen(fd, path) : fd;
}

static int open_file(const struct root_dir *rootdir, const char *path,
		     enum access access, struct io **ret, char **ret_real)
{
	_cleanup_close_ int path_fd = root_dir_openat(rootdir, path, O_PATH);
	_cleanup_free_ char *real = NULL;
	struct stat st;
	int fd, r;

	if (path_fd == -EXDEV)
		return fail(-EXDEV, "%s: leads out of %s", path, rootdir->path);
	if (path_fd < 0)
		return fail_errno(path_fd, "%s", path);
	if (fstat(path_fd, &st) < 0)
		return fail_errno(-errno, "%s", path);
	if (!S_ISREG(st.st_mode) && (rootdir->confined || !S_ISBLK(st.st_mode)))
		return fail(-EOPNOTSUPP, "%s: not a regular file", path);
	if (ret_real) {
		real = root_dir_real_path(rootdir, path_fd, path);
		if (!real)
			return fail(-ENOMEM, "%s: out of memory", path);
	}
	fd = open_again(path_fd, path, access);
	if (fd < 0)
		return fd;
	r = io_file_from_fd(fd, path, access != READ, ret);
	if (r == 0 && ret_real)
		*ret_real = steal(real);
	return r;
}

int root_dir_open(const struct root_dir *rootdir, const char *path,
		  bool writable, struct io **ret, char **ret_real)
{
	if (rootdir->ops)
		return rootdir->ops->open(rootdir, path, writable, ret,
					  ret_real);
	return open_file(rootdir, path, writable ? WRITE : READ, ret, ret_real);
}

int root_dir_open_as_owner(const struct root_dir *rootdir, const char *path,
			   struct io **ret, char **ret_real)
{
	if (rootdir->ops)
		return rootdir->ops->open(rootdir, path, true, ret, ret_real);
	return open_file(rootdir, path, WRITE_AS_OWNER, ret, ret_real);
}

/* Only transient errors are reported; a name that cannot be looked up does not
 * exist. */
static int no_entry(int r)
{
	return error_is_passing(r) ? r : -ENOENT;
}

/* Finds the only entry of d whose folded name is wanted; -ENOENT: none, or
 * several. */
static int find_entry(DIR *d, const char *wanted, char **ret)
{
	_cleanup_free_ char *found = NULL;
	struct dirent *de;

	while (errno = 0, (de = readdir(d))) {
		_cleanup_free_ char *folded = name_fold(de->d_name);

		if (!folded)
			return -ENOMEM;
		if (strcmp(folded, wanted) != 0)
			continue;
		if (found)
			return -ENOENT;
		found = strdup(de->d_name);
		if (!found)
			return -ENOMEM;
	}
	if (errno)
		return no_entry(-errno);
	if (!found)
		return -ENOENT;
	*ret = steal(found);
	return 0;
}

/* Finds the entry of directory dir that has this name in any case and normal
 * form. */
static int find_any_case(const struct root_dir *rootdir, const char *dir,
			 const char *name, char **ret)
{
	_cleanup_closedir_ DIR *d = root_dir_opendir(rootdir, dir);
	_cleanup_free_ char *folded = NULL;

	if (!d)
		return no_entry(-errno);
	folded = name_fold(name);
	return folded ? find_entry(d, folded, ret) : -ENOMEM;
}

/* Appends the directory entry that name means to *path, which it replaces. */
static int append_entry(const struct root_dir *rootdir, char **path,
			const char *name)
{
	_cleanup_free_ char *found = NULL, *before = *path;
	const size_t n = strlen(before);
	int r = 0;

	if (strcmp(name, ".") && strcmp(name, ".."))
		r = find_any_case(rootdir, before, name, &found);
	if (r == 0 && asprintf(path, "%s%s%s", before,
			       n && before[n - 1] != '/' ? "/" : "",
			       found ? found : name) < 0)
		r = -ENOMEM;
	if (r < 0)
		*path = NULL;
	return r;
}

int root_dir_any_case(const struct root_dir *rootdir, const char *path,
		      char **ret)
{
	_cleanup_free_ char *parts = NULL, *out = NULL;
	char *rest;
	int r = 0;

	if (rootdir->ops) {
		*ret = rootdir->ops->any_case(rootdir, path);
		return *ret ? 0 : -ENOENT;
	}
	if (strlen(path) >= PATH_MAX)
		return -ENOENT;
	parts = strdup(path);
	out = strdup(*path == '/' ? "/" : "");
	if (!parts || !out)
		return -ENOMEM;
	for (char *part = strtok_r(parts, "/", &rest); r == 0 && part;
	     part = strtok_r(NULL, "/", &rest))
		r = append_entry(rootdir, &out, part);
	if (r == 0)
		*ret = steal(out);
	return r;
}
