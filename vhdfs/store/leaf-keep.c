/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The name KEEP that an old leaf gets (leaf-steps.c). */
#include "config.h"

#include "store/leaf-keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fold.h"

/* Finds a name of the directory that Windows takes for the same as keep. */
static int check_folded(const struct leaf_place *place, DIR *dir,
			const char *keep)
{
	_cleanup_free_ char *folded = name_fold(keep);
	struct dirent *e;

	if (!folded)
		return fail(-ENOMEM, "%s: out of memory", place->path);
	while (errno = 0, (e = readdir(dir))) {
		_cleanup_free_ char *other = name_fold(e->d_name);

		if (!other)
			return fail(-ENOMEM, "%s: out of memory", place->path);
		if (!strcmp(other, folded))
			return fail(-EEXIST,
				    "%s/%s: the file %s exists, whose name "
				    "Windows takes for the same; choose "
				    "another name",
				    place->dir, keep, e->d_name);
	}
	return errno ? fail_errno(-errno, "%s", place->dir) : 0;
}

/* The longest hidden name of a replacement is .NAME.intent.new. */
enum { IMAGE_NAME_MAX = NAME_MAX - (sizeof "..intent.new" - 1) };

static int check_lengths(const struct leaf_place *place, const char *keep)
{
	if (strlen(place->name) > IMAGE_NAME_MAX)
		return fail(-ENAMETOOLONG,
			    "%s: file name: expected at most %d bytes, so that "
			    "names can be made from it, found %zu; give the "
			    "image a shorter name",
			    place->path, (int)IMAGE_NAME_MAX,
			    strlen(place->name));
	if (keep && strlen(keep) > NAME_MAX)
		return fail(-ENAMETOOLONG,
			    "%s: file name: expected at most %d bytes, found "
			    "%zu in the name %s of its present state; give "
			    "the image, or the snapshot, a shorter name",
			    place->path, NAME_MAX, strlen(keep), keep);
	return 0;
}

int leaf_check_keep(const struct leaf_place *place, const char *keep)
{
	struct stat st;
	DIR *dir;
	int fd, r = check_lengths(place, keep);

	if (r < 0 || !keep)
		return r;
	if (fstatat(place->fd, keep, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return fail(-EEXIST, "%s/%s: file exists", place->dir, keep);
	fd = openat(place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		r = fail_errno(-errno, "%s", place->dir);
		if (fd >= 0)
			close(fd);
		return r;
	}
	r = check_folded(place, dir, keep);
	closedir(dir);
	return r;
}
