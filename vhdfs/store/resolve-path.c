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

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

int resolve_beneath(const struct store *store, const char *path, unsigned flags)
{
	return root_dir_openat(&store->roots[0], *path ? path : ".",
			       (int)flags);
}

char *resolve_join(const char *dir, const char *name)
{
	char *path;

	if (!*dir)
		return strdup(name);
	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* The part of an absolute path behind that of the store; null: not in there.
 * openat2 with RESOLVE_BENEATH refuses absolute paths and links. */
static const char *after_root(const struct store *store, const char *target)
{
	const char *root = store->roots[0].path;
	size_t n = strlen(root);

	if (strncmp(target, root, n) != 0 || target[n] != '/')
		return NULL;
	while (target[n] == '/')
		n++;
	return target + n;
}

static int open_link(struct store *store, struct dir *dir, const char *name)
{
	_cleanup_free_ char *path = resolve_join(dir->real, name);
	char target[PATH_MAX];
	const char *rest;
	ssize_t n;
	int fd;

	if (!path)
		return -ENOMEM;
	fd = resolve_beneath(store, path, O_PATH);
	if (fd != -EXDEV)
		return fd;
	n = readlinkat(dir->fd, name, target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	rest = after_root(store, target);
	return rest ? resolve_beneath(store, rest, O_PATH) : -EXDEV;
}

/* The path in the store of the file that fd has open; the caller's to free.
 * -ENOENT: it is outside. */
static int real_of(const struct store *store, int fd, char **ret)
{
	char link[64], target[PATH_MAX];
	const char *rest;
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof target - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	rest = strcmp(store->roots[0].path, target) ? after_root(store, target)
						    : "";
	if (!rest)
		return -ENOENT;
	*ret = strdup(rest);
	return *ret ? 0 : -ENOMEM;
}

int resolve_name(struct store *store, struct dir *dir, const char *name,
		 struct dir_entry *ret, struct stat *ret_st)
{
	int r = 0;

	if (fstatat(dir->fd, name, ret_st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	ret->link = S_ISLNK(ret_st->st_mode);
	if (ret->link) {
		_cleanup_close_ int fd = open_link(store, dir, name);

		if (fd < 0)
			return fd;
		if (fstat(fd, ret_st) < 0)
			return -errno;
		r = real_of(store, fd, &ret->real);
	} else {
		ret->real = resolve_join(dir->real, name);
		r = ret->real ? 0 : -ENOMEM;
	}
	ret->id = (struct file_id){ ret_st->st_dev, ret_st->st_ino };
	return r;
}

int resolve_stat(struct store *store, struct dir_entry *entry,
		 struct stat *ret_st)
{
	struct dir_entry now = { 0 };
	int r = resolve_name(store, entry->dir, entry->name, &now, ret_st);

	free(now.real);
	/* A link that leads out of the store now. */
	if (r == -EXDEV)
		return -ESTALE;
	if (r < 0)
		return r;
	return file_id_equal(&now.id, &entry->id) ? 0 : -ESTALE;
}
