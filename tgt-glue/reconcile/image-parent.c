/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parents of the images in the store. */
#include "config.h"

#include "tgt-glue/reconcile/image-parent.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/error.h"
#include "base/printable.h"
#include "chain/chain.h"
#include "chain/parent-cache.h"
#include "format/registry.h"
#include "io/rootdir.h"

int image_open_quietly(const struct fleet *fleet, const char *path,
		       struct image **ret, char **ret_real)
{
	struct io *io;
	int r = root_dir_open(&fleet->rootdir, path, false, &io, ret_real);

	if (r < 0)
		return r;
	r = image_open(io, NULL, ret);
	if (r < 0)
		io_close(io);
	return r;
}

/*
 * The path of the parent, from the mount: quick, and right while the child is
 * being written.  The mount escapes it; a path that exists unescaped is taken
 * as it is.
 */
static int by_mount(const struct fleet *fleet, struct arena *arena,
		    const char *image, const char **ret)
{
	const char *view =
		arena_printf(arena, "%s/%s.raw", fleet->mount, image);
	char path[PATH_MAX];
	ssize_t n = getxattr(view, "user.vhdfs.parent", path, sizeof path - 1);
	struct stat st;

	if (n < 0)
		return -errno;
	path[n] = '\0';
	if (strstr(path, "\\x") && fleet_stat(fleet, path, &st) < 0)
		printable_undo(path);
	*ret = arena_strdup(arena, path);
	return 0;
}

/* The same, from the file of the child. */
static int by_file(const struct fleet *fleet, struct arena *arena,
		   const char *path, const char **ret)
{
	_cleanup_(parent_cache_free_p) struct parent_cache *cache = NULL;
	_cleanup_free_ char *real = NULL, *parent = NULL;
	struct parent_ref ref = { 0 };
	struct image *image;
	dev_t dev;
	ino_t ino;
	int r = image_open_quietly(fleet, path, &image, &real);

	if (r < 0)
		return r;
	if (image->type == IMAGE_DIFFERENCING) {
		r = image_parent(image, &ref);
		if (r == 0)
			r = parent_cache_new(&fleet->rootdir, 1, &cache);
		if (r == 0)
			r = parent_cache_find(cache, real, &ref, image, &parent,
					      &dev, &ino);
	}
	*ret = parent ? arena_strdup(arena, parent) : NULL;
	parent_ref_fini(&ref);
	image_close(image);
	return r;
}

int image_parent_path(const struct fleet *fleet, struct arena *arena,
		      const char *image, const char **ret)
{
	*ret = NULL;
	return by_mount(fleet, arena, image, ret) == 0
		       ? 0
		       : by_file(fleet, arena, image, ret);
}

int image_ancestor(const struct fleet *fleet, struct arena *arena,
		   const char *image,
		   bool (*matches)(const void *arg, const char *path),
		   const void *arg, const char **ret)
{
	const char *at = image;

	*ret = NULL;
	for (int i = 0; i <= CHAIN_DEPTH_MAX; i++) {
		int r = image_parent_path(fleet, arena, at, &at);

		if (r < 0 || !at)
			return r;
		if (matches(arg, at)) {
			*ret = at;
			return 0;
		}
	}
	return 0;
}
