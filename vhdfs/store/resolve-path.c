/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resolving paths: the file that a name refers to, symbolic links followed
 * inside the store. */
#include "config.h"

#include "store/resolve-path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "io/rootdir.h"

int resolve_beneath(const struct store *store, const char *path, unsigned flags)
{
	return root_dir_openat(&store->roots[0], *path ? path : ".",
			       (int)flags);
}

char *resolve_join(const char *dir, const char *name)
{
	char *path;

	return asprintf(&path, "%s%s%s", dir, *dir ? "/" : "", name) < 0 ? NULL
									 : path;
}

/* The part of an absolute path behind that of the store; null: not in there.
 * openat2 with RESOLVE_BENEATH refuses absolute paths and links. */
static const char *after_root(const struct store *store, const char *target)
{
	const char *rest = root_dir_below(store->roots[0].path, target);

	while (rest && *rest == '/')
		rest++;
	return rest;
}

static int open_link(struct store *store, const struct dir_entry *entry)
{
	const struct dir *dir = entry->dir;
	_cleanup_free_ char *path = resolve_join(dir->real, entry->name);
	char target[PATH_MAX];
	const char *rest;
	ssize_t n;
	int fd;

	if (!path)
		return -ENOMEM;
	fd = resolve_beneath(store, path, O_PATH);
	if (fd != -EXDEV)
		return fd;
	n = readlinkat(dir->fd, entry->name, target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	rest = after_root(store, target);
	return rest && strcmp(rest, ".") ? resolve_beneath(store, rest, O_PATH)
					 : -EXDEV;
}

/* The path in the store of the file that fd has open; the caller's to free.
 * -ENOENT: it is outside. */
static int real_of(const struct store *store, int fd, char **ret)
{
	_cleanup_free_ char *target = fd_path(fd);
	const char *rest =
		target ? root_dir_below(store->roots[0].path, target) : NULL;

	if (!rest)
		return target ? -ENOENT : -ENOMEM;
	*ret = strdup(strcmp(rest, ".") ? rest : "");
	return *ret ? 0 : -ENOMEM;
}

int resolve_name(struct store *store, struct dir_entry *entry,
		 struct stat *ret_st)
{
	const struct dir *dir = entry->dir;
	int r;

	if (fstatat(dir->fd, entry->name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	entry->is_link = S_ISLNK(ret_st->st_mode);
	if (entry->is_link) {
		_cleanup_close_ int fd = open_link(store, entry);

		if (fd < 0)
			return fd;
		if (fstat(fd, ret_st) < 0)
			return -errno;
		r = real_of(store, fd, &entry->real);
	} else {
		entry->real = resolve_join(dir->real, entry->name);
		r = entry->real ? 0 : -ENOMEM;
	}
	entry->id = file_id_of(ret_st);
	return r;
}

int resolve_stat(struct store *store, struct dir_entry *entry,
		 struct stat *ret_st)
{
	struct dir_entry now = { .dir = entry->dir, .name = entry->name };
	int r = resolve_name(store, &now, ret_st);

	free(now.real);
	/* A link that leads out of the store now. */
	if (r == -EXDEV)
		return -ESTALE;
	if (r < 0)
		return r;
	return file_id_equal(now.id, entry->id) ? 0 : -ESTALE;
}
