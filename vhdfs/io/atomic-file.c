/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "io/atomic-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/guid.h"
#include "io/io-file.h"

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ".NAME.RANDOM.new", or null when out of memory. */
static char *temp_name(const char *path)
{
	struct guid random = guid_random();
	char *temp;

	/* The name is cut: with what is added it must stay a valid one. */
	if (asprintf(&temp, ".%.200s.%08" PRIx32 ".new", last_part(path),
		     get_le32(random.b)) < 0)
		return NULL;
	return temp;
}

/* Is path the directory root, or in it? */
static bool is_within(const char *path, const char *root)
{
	size_t n = strcmp(root, "/") ? strlen(root) : 0;

	return !strncmp(path, root, n) && (!path[n] || path[n] == '/');
}

static int open_directory(struct atomic_file *file, const char *path)
{
	_cleanup_free_ char *dir = strndup(path, last_part(path) - path);
	char link[64], real[PATH_MAX];
	ssize_t n;

	if (!dir)
		return -ENOMEM;
	file->dir_fd =
		open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->dir_fd < 0)
		return -errno;
	snprintf(link, sizeof link, "/proc/self/fd/%d", file->dir_fd);
	n = readlink(link, real, sizeof real - 1);
	real[n < 0 ? 0 : n] = '\0';
	file->dir = n < 0 ? NULL : strdup(real);
	if (file->dir)
		return 0;
	close(file->dir_fd);
	return -ENOMEM;
}

/* Makes zeros of all that is none. */
static int clear(int fd)
{
	enum { CHUNK = 64 * 1024 };
	static const uint8_t zeros[CHUNK];
	uint8_t buf[CHUNK];
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, buf, sizeof buf, at)) > 0; at += n)
		if (memcmp(buf, zeros, (size_t)n) != 0 &&
		    pwrite(fd, zeros, (size_t)n, at) != n)
			return -EIO;
	return n < 0 ? -errno : 0;
}

static int take_file(struct atomic_file *file, const char *path,
		     const char *room)
{
	int fd, r;

	file->temp = strdup(room);
	if (!file->temp)
		return fail(-ENOMEM, "%s: out of memory", path);
	file->taken = true;
	fd = openat(file->dir_fd, room, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_errno(-errno, "%s/%s", file->dir, room);
	r = clear(fd);
	if (r == 0)
		return io_file_from_fd(fd, path, true, &file->io);
	close(fd);
	return fail_errno(r, "%s/%s", file->dir, room);
}

static int check_new(struct atomic_file *file, const char *path)
{
	struct stat st;

	file->path = strdup(path);
	if (!file->path)
		return fail(-ENOMEM, "%s: out of memory", path);
	if (!*last_part(path) || fstatat(file->dir_fd, last_part(path), &st,
					 AT_SYMLINK_NOFOLLOW) == 0)
		return fail(
			-EEXIST,
			"%s: exists; it is not overwritten: remove it with rm first, or choose another name",
			path);
	return 0;
}

/* Where a file cannot be made, and what may help. */
static int fail_path(int code, const char *path)
{
	fail_errno(code, "%s", path);
	if (code == -ENOENT)
		error_advise("`mkdir -p' makes the directory");
	else if (code == -EROFS)
		error_advise("`mount -o remount,rw' makes its file system "
			     "writable");
	return code;
}

static int create_file(struct atomic_file *file, const char *path)
{
	_cleanup_free_ char *temp = temp_name(path);
	int fd, r;

	if (!temp)
		return fail(-ENOMEM, "%s: out of memory", path);
	fd = openat(file->dir_fd, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0666);
	if (fd < 0)
		return fail_path(-errno, path);
	r = io_file_from_fd(fd, path, true, &file->io);
	if (r < 0)
		unlinkat(file->dir_fd, temp, 0);
	else
		file->temp = steal(temp);
	return r;
}

/* room null: a new file. */
static int begin(const char *path, const char *within, const char *room,
		 struct atomic_file *ret)
{
	struct atomic_file file = { .dir_fd = -1 };
	struct error why;
	int r = open_directory(&file, path);

	if (r < 0)
		fail_path(r, path);
	else if (within && !is_within(file.dir, within))
		r = fail(-EXDEV, "%s: lies outside the store %s", path, within);
	else
		r = check_new(&file, path);
	if (r == 0)
		r = room ? take_file(&file, path, room)
			 : create_file(&file, path);
	if (r < 0) {
		why = *error_last();
		atomic_file_fini(&file);
		error_set(&why);
		return r;
	}
	*ret = file;
	return 0;
}

int atomic_file_create(const char *path, const char *within,
		       struct atomic_file *ret)
{
	return begin(path, within, NULL, ret);
}

int atomic_file_create_over(const char *path, const char *within,
			    const char *room, struct atomic_file *ret)
{
	return begin(path, within, room, ret);
}

/* Gives temp its name, unless something has that. */
static int rename_new(const struct atomic_file *file)
{
	const char *name = last_part(file->path);
	int dir = file->dir_fd;

	if (renameat2(dir, file->temp, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without that flag (NFS): a link replaces nothing
	 * either. */
	if (linkat(dir, file->temp, dir, name, 0) < 0)
		return -errno;
	unlinkat(dir, file->temp, 0);
	return 0;
}

int atomic_file_publish(struct atomic_file *file)
{
	int r = io_sync(file->io);

	if (r < 0)
		return r;
	r = rename_new(file);
	if (r == -EEXIST)
		return fail(
			r,
			"%s: exists; it is not overwritten: remove it with rm first, or choose another name",
			file->path);
	if (r < 0)
		return fail_errno(r, "%s", file->path);
	free(steal(file->temp));
	/* The names in the directory are to be durable, too. */
	if (fsync(file->dir_fd) < 0)
		return fail_errno(-errno, "%s: syncing its directory",
				  file->path);
	return 0;
}

void atomic_file_fini(struct atomic_file *file)
{
	if (file->temp && !file->taken)
		unlinkat(file->dir_fd, file->temp, 0);
	if (file->io)
		io_close(file->io);
	/* One that was never created is all zeros. */
	if (file->dir)
		close(file->dir_fd);
	free(file->temp);
	free(file->dir);
	free(file->path);
	memset(file, 0, sizeof *file);
}
