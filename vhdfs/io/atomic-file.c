/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Atomic files.
 *
 * Names are resolved relative to a descriptor of the directory, so a rename of
 * the directory between creation and publication does no harm.
 */
#include "config.h"

#include "io/atomic-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/guid.h"
#include "io/io-file.h"
#include "io/rootdir.h"

/* The temporary name for path; null: out of memory. */
static char *temp_name(const char *path, const char *spare, bool replaces)
{
	struct guid random = guid_random();
	char *temp;
	int n;

	if (spare)
		return strdup(spare);
	/* Truncated, so that the result is not longer than NAME_MAX. */
	n = replaces ? asprintf(&temp, "%s.new", basename(path))
		     : asprintf(&temp, ".%.200s.%08" PRIx32 ".new",
				basename(path), get_le32(random.b));
	return n < 0 ? NULL : temp;
}

static int open_directory(struct atomic_file *file, const char *path)
{
	_cleanup_free_ char *dir = strndup(path, basename(path) - path);

	if (!dir)
		return -ENOMEM;
	file->dir_fd =
		open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->dir_fd < 0)
		return -errno;
	file->dir = fd_path(file->dir_fd);
	if (file->dir)
		return 0;
	close(file->dir_fd);
	return -ENOMEM;
}

/* Overwrites all bytes that are not zero with zeros. */
static int fill_with_zeros(int fd)
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

static int open_spare(struct atomic_file *file)
{
	_cleanup_close_ int fd = openat(file->dir_fd, file->temp,
					O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int r = fd < 0 ? -errno : fill_with_zeros(fd);

	if (r < 0)
		return fail_errno(r, "%s/%s", file->dir, file->temp);
	return io_file_from_fd(steal_fd(&fd), file->path, true, &file->io);
}

static int fail_exists(const char *path)
{
	return fail(
		-EEXIST,
		"%s: exists; it is not overwritten: remove it with rm first, or choose another name",
		path);
}

static int check_not_there(const struct atomic_file *file, const char *path)
{
	struct stat st;

	if (!*basename(path) || fstatat(file->dir_fd, basename(path), &st,
					AT_SYMLINK_NOFOLLOW) == 0)
		return fail_exists(path);
	return 0;
}

/* Reports that a file cannot be created at path, with a remedy. */
static int fail_to_create(int code, const char *path)
{
	fail_errno(code, "%s", path);
	if (code == -ENOENT)
		error_advise("create the directory with `mkdir -p'");
	else if (code == -EROFS)
		error_advise("make its file system writable with "
			     "`mount -o remount,rw'");
	return code;
}

static int create_temp(struct atomic_file *file, mode_t mode)
{
	int fd = openat(file->dir_fd, file->temp,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return fail_to_create(-errno, file->path);
	file->existed = false;
	return io_file_from_fd(fd, file->path, true, &file->io);
}

static int open_temp(struct atomic_file *file, bool spare)
{
	int r;

	if (file->replaces) {
		unlinkat(file->dir_fd, file->temp, 0);
		return create_temp(file, 0600);
	}
	r = check_not_there(file, file->path);
	if (r < 0)
		return r;
	return spare ? open_spare(file) : create_temp(file, 0666);
}

static int begin(const char *path, const char *within, const char *spare,
		 bool replaces, struct atomic_file *ret)
{
	struct atomic_file file = {
		.path = strdup(path),
		.dir_fd = -1,
		.temp = temp_name(path, spare, replaces),
		.existed = true,
		.replaces = replaces,
	};
	int r = open_directory(&file, path);

	if (r < 0)
		fail_to_create(r, path);
	else if (!file.path || !file.temp)
		r = fail(-ENOMEM, "%s: out of memory", path);
	else if (within && !root_dir_below(within, file.dir))
		r = fail(-EXDEV, "%s: lies outside the store %s", path, within);
	else
		r = open_temp(&file, spare);
	if (r < 0)
		atomic_file_fini(&file);
	else
		*ret = file;
	return r;
}

int atomic_file_create(const char *path, const char *within, const char *spare,
		       struct atomic_file *ret)
{
	return begin(path, within, spare, false, ret);
}

int atomic_file_replace(const char *path, const char *within,
			struct atomic_file *ret)
{
	return begin(path, within, NULL, true, ret);
}

/* fsync for a replacement: fdatasync may omit its mode and group. */
static int sync_temp(const struct atomic_file *file)
{
	if (!file->replaces)
		return io_sync(file->io);
	return fsync(file->io->fd) < 0
		       ? fail_errno(-errno, "%s: sync", file->path)
		       : 0;
}

/* Renames temp to its final name; -EEXIST if that exists and is not replaced.
 */
static int rename_temp(const struct atomic_file *file)
{
	const char *name = basename(file->path);
	int dir = file->dir_fd;

	if (file->replaces)
		return renameat(dir, file->temp, dir, name) < 0 ? -errno : 0;
	if (renameat2(dir, file->temp, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* NFS does not support the flag; link does not replace a file, too. */
	if (linkat(dir, file->temp, dir, name, 0) < 0)
		return -errno;
	unlinkat(dir, file->temp, 0);
	return 0;
}

int atomic_file_publish(struct atomic_file *file)
{
	int r = sync_temp(file);

	if (r < 0)
		return r;
	r = rename_temp(file);
	if (r == -EEXIST)
		return fail_exists(file->path);
	if (r < 0)
		return fail_errno(r, "%s", file->path);
	free(steal(file->temp));
	/* Makes the new name durable. */
	if (fsync(file->dir_fd) < 0)
		return fail_errno(-errno, "%s: sync of its directory",
				  file->path);
	return 0;
}

void atomic_file_fini(struct atomic_file *file)
{
	if (file->temp && !file->existed)
		unlinkat(file->dir_fd, file->temp, 0);
	if (file->io)
		io_close(file->io);
	/* A struct of zeros has no descriptor. */
	if (file->dir)
		close(file->dir_fd);
	free(file->temp);
	free(file->dir);
	free(file->path);
	memset(file, 0, sizeof *file);
}

static int write_text(const struct atomic_file *file, const char *text,
		      mode_t mode, gid_t group)
{
	int fd = file->io->fd;
	int r = io_write(file->io, text, strlen(text), 0);

	if (r < 0)
		return r;
	if (group != ATOMIC_FILE_ANY_GROUP && fchown(fd, (uid_t)-1, group) < 0)
		return fail_errno(-errno, "%s: change of group", file->path);
	if (fchmod(fd, mode) < 0)
		return fail_errno(-errno, "%s: change of mode", file->path);
	return 0;
}

int atomic_file_write(const char *path, const char *text, mode_t mode,
		      gid_t group)
{
	struct atomic_file file;
	int r = atomic_file_replace(path, NULL, &file);

	if (r < 0)
		return r;
	r = write_text(&file, text, mode, group);
	if (r == 0)
		r = atomic_file_publish(&file);
	atomic_file_fini(&file);
	return r;
}
