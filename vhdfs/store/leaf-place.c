/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory and the names of an image whose leaf is replaced. */
#include "config.h"

#include "store/leaf-place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "store/image-names.h"

void leaf_place_fini(struct leaf_place *place)
{
	if (place->fd >= 0)
		close(place->fd);
	if (place->fd >= 0 && place->made >= 0)
		close(place->made);
	free(place->dir);
	free(place->path);
	free(place->leaf);
	free(place->intent);
}

/* The names: real is the path that root_dir_open returned. */
static int place_name(struct leaf_place *place, const struct root_dir *rootdir,
		      const char *real)
{
	const char *root = rootdir->confined ? rootdir->path : "";
	char *slash;

	if (asprintf(&place->path, "%s%s%s", strcmp(root, "/") ? root : "",
		     rootdir->confined ? "/" : "", real) < 0) {
		place->path = NULL;
		return fail(-ENOMEM, "%s: out of memory", real);
	}
	place->dir = strdup(place->path);
	if (!place->dir)
		return fail(-ENOMEM, "%s: out of memory", real);
	slash = strrchr(place->dir, '/');
	*slash = '\0';
	place->name = place->path + (slash - place->dir) + 1;
	if (asprintf(&place->leaf, ".%s" NAME_LEAF_SUFFIX, place->name) < 0)
		place->leaf = NULL;
	if (asprintf(&place->intent, ".%s.intent", place->name) < 0)
		place->intent = NULL;
	return place->leaf && place->intent
		       ? 0
		       : fail(-ENOMEM, "%s: out of memory", real);
}

/* Checks that NAME still is the file that was opened and locked. */
int leaf_place_check(struct leaf_place *place)
{
	struct stat st;

	if (fstat(place->io->fd, &place->st) < 0 ||
	    fstatat(place->fd, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail_errno(-errno, "%s", place->path);
	if (file_id_equal(file_id_of(&st), file_id_of(&place->st)))
		return 0;
	return fail(-EBUSY,
		    "%s: was replaced by another program just now; run the "
		    "command again",
		    place->path);
}

int leaf_place_init(struct leaf_place *place, const struct root_dir *rootdir,
		    const char *real)
{
	_cleanup_free_ char *dir =
		strndup(real, (size_t)(name_last(real) - real));
	int r;

	*place =
		(struct leaf_place){ .rootdir = rootdir, .fd = -1, .made = -1 };
	if (!dir)
		return fail(-ENOMEM, "%s: out of memory", real);
	r = place_name(place, rootdir, real);
	if (r < 0)
		return r;
	place->fd = root_dir_openat(rootdir, *dir ? dir : ".",
				    O_RDONLY | O_DIRECTORY);
	return place->fd < 0 ? fail_errno(place->fd, "%s", place->dir) : 0;
}

int leaf_sync_dir(const struct leaf_place *place)
{
	if (fsync(place->fd) == 0 || errno == EINVAL || errno == EROFS)
		return 0;
	return fail_errno(-errno, "%s: fsync", place->dir);
}
