/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parent that is given a child, after interrupted replacements. */
#include "config.h"

#include "store/settled-parent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "store/image-names.h"
#include "store/leaf-replace.h"
#include "store/put-aside.h"
#include "store/snapshot-mark.h"

/* Each failure takes another program that dies just then. */
enum { SETTLE_TRIES = 8 };

/* The path of the image of which the file can be a snapshot, or that can have
 * been put aside under this name; the caller frees it.  Null: of none. */
static char *image_of_kept(const char *real)
{
	const char *name = name_last(real);
	_cleanup_free_ char *file = put_aside_image_name(name);

	if (!file)
		file = snapshot_image_name(name);
	return file ? name_sibling(real, file) : NULL;
}

/* May a recovery undo a replacement of the image?  Of an absent one it cannot.
 */
static bool is_begun(const struct root_dir *rootdir, const char *image)
{
	_cleanup_close_ int fd = -1;

	if (!leaf_replace_has_intent(rootdir, image))
		return false;
	fd = root_dir_openat(rootdir, image, O_PATH | O_NOFOLLOW);
	return fd != -ENOENT;
}

static bool has_begun(const struct root_dir *rootdir, const char *real)
{
	_cleanup_free_ char *image = image_of_kept(real);

	return is_begun(rootdir, real) || (image && is_begun(rootdir, image));
}

static int recover(const struct root_dir *rootdir, const char *image)
{
	int r = is_begun(rootdir, image)
			? leaf_replace_recover(rootdir, image, NULL)
			: 0;

	if (r < 0)
		error_advise("a snapshot or a revert of %s was begun, and is "
			     "to be finished or undone before it, its "
			     "snapshot or its old image gets a child",
			     image);
	return r;
}

static int recover_all(const struct root_dir *rootdir, const char *real)
{
	_cleanup_free_ char *image = image_of_kept(real);
	int r = recover(rootdir, real);

	return r == 0 && image ? recover(rootdir, image) : r;
}

int settled_parent_open(const struct root_dir *rootdir, const char *path,
			struct protected_parent *ret)
{
	for (int i = 0; i < SETTLE_TRIES; i++) {
		_cleanup_free_ char *real = NULL;
		int r = protected_parent_open(rootdir, path, ret);

		if (r < 0 || rootdir->ops)
			return r;
		real = strdup(rootdir->confined
				      ? root_dir_below(rootdir->path, ret->path)
				      : ret->path);
		if (real && !has_begun(rootdir, real))
			return 0;
		protected_parent_close(ret);
		r = real ? recover_all(rootdir, real)
			 : fail(-ENOMEM, "%s: out of memory", path);
		if (r < 0)
			return r;
	}
	return fail(-EBUSY,
		    "%s: its snapshots were interrupted several times just "
		    "now; run the command again",
		    path);
}
