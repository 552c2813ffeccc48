/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of images in the store. */
#include "config.h"

#include "tgt-glue/versions/links.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/file-id.h"
#include "store/image-names.h"

/* The directory of a path in the store, or -errno with a message. */
static int open_directory(const struct fleet *fleet, const char *path)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *dir = arena_printf(&arena, "%.*s",
				       (int)(name_last(path) - path), path);
	int fd = root_dir_openat(&fleet->rootdir, *dir ? dir : ".",
				 O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? fail_errno(fd, "%s/%s", fleet->store, dir) : fd;
}

static bool leads_to(int dir, const char *name, const char *target)
{
	char text[NAME_MAX + 1];
	ssize_t n = readlinkat(dir, name, text, sizeof text);

	return n >= 0 && (size_t)n == strlen(target) &&
	       !memcmp(text, target, (size_t)n);
}

/* A link, or another name of the target: no file is lost with that name. */
static bool is_replaceable(int dir, const char *name, const char *target)
{
	struct stat st, to;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (S_ISLNK(st.st_mode) ||
		(fstatat(dir, target, &to, AT_SYMLINK_NOFOLLOW) == 0 &&
		 file_id_equal(file_id_of(&st), file_id_of(&to))));
}

static int replace(int dir, const char *name, const char *target)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	/* The mount shows no name that begins with a dot. */
	const char *next = arena_printf(&arena, ".%s.link.new", name);

	/* A free name is taken without a rename, which replaces a file. */
	if (symlinkat(target, dir, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (!is_replaceable(dir, name, target))
		return -EEXIST;
	if ((unlinkat(dir, next, 0) < 0 && errno != ENOENT) ||
	    symlinkat(target, dir, next) < 0)
		return -errno;
	return renameat(dir, next, dir, name) < 0 ? -errno : 0;
}

int link_set(const struct fleet *fleet, const char *path, const char *target)
{
	_cleanup_close_ int dir = open_directory(fleet, path);
	int r = 0;

	if (dir < 0)
		return dir;
	if (!leads_to(dir, name_last(path), name_last(target)))
		r = replace(dir, name_last(path), name_last(target));
	/* A process that was killed may have left it undurable. */
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	return r < 0 ? fail_errno(r, "%s/%s", fleet->store, path) : 0;
}

int link_remove(const struct fleet *fleet, const char *path)
{
	_cleanup_close_ int dir = open_directory(fleet, path);
	int r = 0;

	if (dir < 0)
		return dir;
	if (unlinkat(dir, name_last(path), 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	return r < 0 ? fail_errno(r, "%s/%s", fleet->store, path) : 0;
}

int link_file(const struct fleet *fleet, const char *path, const char *name)
{
	_cleanup_close_ int from = open_directory(fleet, path);
	_cleanup_close_ int to = from < 0 ? -1 : open_directory(fleet, name);
	int r = 0;

	if (from < 0 || to < 0)
		return from < 0 ? from : to;
	if (linkat(from, name_last(path), to, name_last(name), 0) < 0 ||
	    fsync(to) < 0)
		r = -errno;
	if (r == -EPERM || r == -EOPNOTSUPP)
		return fail(
			r,
			"%s/%s: the file system refuses a second name (hard link) for it; nothing was changed",
			fleet->store, path);
	return r < 0 ? fail_errno(r, "%s/%s: giving it the name %s",
				  fleet->store, path, name)
		     : 0;
}
