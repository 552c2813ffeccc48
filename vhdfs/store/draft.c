/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "store/draft.h"

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

static int open_directory(struct draft *draft, const char *path)
{
	_cleanup_free_ char *dir = strndup(path, last_part(path) - path);
	char link[64], real[PATH_MAX];
	ssize_t n;

	if (!dir)
		return -ENOMEM;
	draft->dir_fd =
		open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (draft->dir_fd < 0)
		return -errno;
	snprintf(link, sizeof link, "/proc/self/fd/%d", draft->dir_fd);
	n = readlink(link, real, sizeof real - 1);
	real[n < 0 ? 0 : n] = '\0';
	draft->dir = n < 0 ? NULL : strdup(real);
	if (draft->dir)
		return 0;
	close(draft->dir_fd);
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

static int take_file(struct draft *draft, const char *path, const char *room)
{
	int fd, r;

	draft->temp = strdup(room);
	if (!draft->temp)
		return fail(-ENOMEM, "%s: out of memory", path);
	draft->taken = true;
	fd = openat(draft->dir_fd, room, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return fail_errno(-errno, "%s/%s", draft->dir, room);
	r = clear(fd);
	if (r == 0)
		return io_file_from_fd(fd, path, true, &draft->io);
	close(fd);
	return fail_errno(r, "%s/%s", draft->dir, room);
}

static int check_new(struct draft *draft, const char *path)
{
	struct stat st;

	draft->path = strdup(path);
	if (!draft->path)
		return fail(-ENOMEM, "%s: out of memory", path);
	if (!*last_part(path) || fstatat(draft->dir_fd, last_part(path), &st,
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

static int create_file(struct draft *draft, const char *path)
{
	_cleanup_free_ char *temp = temp_name(path);
	int fd, r;

	if (!temp)
		return fail(-ENOMEM, "%s: out of memory", path);
	fd = openat(draft->dir_fd, temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0666);
	if (fd < 0)
		return fail_path(-errno, path);
	r = io_file_from_fd(fd, path, true, &draft->io);
	if (r < 0)
		unlinkat(draft->dir_fd, temp, 0);
	else
		draft->temp = steal(temp);
	return r;
}

/* room null: a new file. */
static int begin(const char *path, const char *within, const char *room,
		 struct draft *ret)
{
	struct draft draft = { .dir_fd = -1 };
	struct error why;
	int r = open_directory(&draft, path);

	if (r < 0)
		fail_path(r, path);
	else if (within && !is_within(draft.dir, within))
		r = fail(-EXDEV, "%s: lies outside the store %s", path, within);
	else
		r = check_new(&draft, path);
	if (r == 0)
		r = room ? take_file(&draft, path, room)
			 : create_file(&draft, path);
	if (r < 0) {
		why = *error_last();
		draft_fini(&draft);
		error_set(&why);
		return r;
	}
	*ret = draft;
	return 0;
}

int draft_create(const char *path, const char *within, struct draft *ret)
{
	return begin(path, within, NULL, ret);
}

int draft_take(const char *path, const char *within, const char *room,
	       struct draft *ret)
{
	return begin(path, within, room, ret);
}

/* Gives temp its name, unless something has that. */
static int rename_new(const struct draft *draft)
{
	const char *name = last_part(draft->path);
	int dir = draft->dir_fd;

	if (renameat2(dir, draft->temp, dir, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	/* A file system without that flag (NFS): a link replaces nothing
	 * either. */
	if (linkat(dir, draft->temp, dir, name, 0) < 0)
		return -errno;
	unlinkat(dir, draft->temp, 0);
	return 0;
}

int draft_publish(struct draft *draft)
{
	int r = io_sync(draft->io);

	if (r < 0)
		return r;
	r = rename_new(draft);
	if (r == -EEXIST)
		return fail(
			r,
			"%s: exists; it is not overwritten: remove it with rm first, or choose another name",
			draft->path);
	if (r < 0)
		return fail_errno(r, "%s", draft->path);
	free(steal(draft->temp));
	/* The names in the directory are to be durable, too. */
	if (fsync(draft->dir_fd) < 0)
		return fail_errno(-errno, "%s: syncing its directory",
				  draft->path);
	return 0;
}

void draft_fini(struct draft *draft)
{
	if (draft->temp && !draft->taken)
		unlinkat(draft->dir_fd, draft->temp, 0);
	if (draft->io)
		io_close(draft->io);
	/* One that was never created is all zeros. */
	if (draft->dir)
		close(draft->dir_fd);
	free(draft->temp);
	free(draft->dir);
	free(draft->path);
	memset(draft, 0, sizeof *draft);
}
