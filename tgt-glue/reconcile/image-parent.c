/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parent of an image of the store. */
#include "config.h"

#include "tgt-glue/reconcile/image-parent.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "chain/chain.h"
#include "chain/parent-cache.h"
#include "format/registry.h"
#include "io/file-id.h"
#include "io/rootdir.h"
#include "store/leaf-replace.h"

int image_open_unlocked(const struct fleet *fleet, const char *path,
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
static int parent_by_mount(const struct fleet *fleet, const char *path,
			   char *parent, size_t size)
{
	char view[PATH_MAX];
	struct stat st;
	ssize_t n;

	if (fleet->mount_silent)
		return -ETIMEDOUT;
	if (snprintf(view, sizeof view, "%s/%s.raw", fleet->mount, path) >=
	    (int)sizeof view)
		return -ENAMETOOLONG;
	n = getxattr(view, "user.vhdfs.parent", parent, size - 1);
	if (n < 0)
		return -errno;
	parent[n] = '\0';
	if (strchr(parent, '\\') && fleet_stat(fleet, parent, &st) < 0)
		printable_undo(parent);
	return 0;
}

/* The same, from the file of the child. */
static int parent_by_image(const struct fleet *fleet, const char *path,
			   char *parent, size_t size)
{
	_cleanup_(parent_cache_free_p) struct parent_cache *cache = NULL;
	_cleanup_free_ char *real = NULL, *found = NULL;
	struct parent_ref ref = { 0 };
	struct image *image;
	dev_t dev;
	ino_t ino;
	int r = image_open_unlocked(fleet, path, &image, &real);

	if (r < 0)
		return r;
	if (image->type != IMAGE_DIFFERENCING)
		r = fail(
			-ENODATA,
			"%s: expected a differencing image, found another type",
			path);
	if (r == 0)
		r = image_parent(image, &ref);
	if (r == 0)
		r = parent_cache_new(&fleet->rootdir, 1, &cache);
	if (r == 0)
		r = parent_cache_find(cache, real, &ref, image, &found, &dev,
				      &ino);
	if (r == 0)
		snprintf(parent, size, "%s", found);
	parent_ref_fini(&ref);
	image_close(image);
	return r;
}

int image_parent_path(const struct fleet *fleet, const char *path, char *parent,
		      size_t size)
{
	return parent_by_mount(fleet, path, parent, size) == 0
		       ? 0
		       : parent_by_image(fleet, path, parent, size);
}

/* Has the image no data of its own? */
static bool holds_nothing(struct image *image)
{
	struct extent extent;

	for (uint64_t off = 0; off < image->size; off += extent.len) {
		int r;

		image_lock_map(image);
		r = image_map(image, off, image->size - off, &extent);
		image_unlock_map(image);
		/* Without a parent, zeros hide nothing. */
		if (r < 0 || (extent.kind != EXTENT_PARENT &&
			      (extent.kind != EXTENT_ZERO ||
			       image->type == IMAGE_DIFFERENCING)))
			return false;
	}
	return true;
}

bool image_holds_nothing(const struct fleet *fleet, const char *path)
{
	struct image *image;
	bool empty;

	if (leaf_replace_is_pending(&fleet->rootdir, path) ||
	    image_open_unlocked(fleet, path, &image, NULL) < 0)
		return false;
	empty = holds_nothing(image);
	image_close(image);
	return empty;
}

bool image_shows(const struct fleet *fleet, const char *path,
		 const char *parent)
{
	struct stat found, wanted;
	char at[PATH_MAX];

	return image_holds_nothing(fleet, path) &&
	       image_parent_path(fleet, path, at, sizeof at) == 0 &&
	       fleet_stat(fleet, at, &found) == 0 &&
	       fleet_stat(fleet, parent, &wanted) == 0 &&
	       file_id_equal(file_id_of(&found), file_id_of(&wanted));
}
