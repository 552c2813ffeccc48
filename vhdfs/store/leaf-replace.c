/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replacement of a disk's leaf that no other process has open: steps L1 to L7
 * of leaf-steps.c, and their recovery. */
#include "config.h"

#include "store/leaf-replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "io/lent-bit.h"
#include "store/image-names.h"
#include "store/leaf-keep.h"
#include "store/leaf-intent.h"
#include "store/leaf-steps.h"
#include "store/protected-parent.h"

static void place_close(struct leaf_place *place)
{
	if (place->img)
		image_close(place->img);
	else if (place->io)
		io_close(place->io);
	leaf_place_fini(place);
}

/* Opens the directory and the file of the image, and locks the file. */
static int place_open(struct leaf_place *place, const struct root_dir *rootdir,
		      const char *image)
{
	_cleanup_free_ char *real = NULL;
	struct io *io = NULL;
	int r;

	*place = (struct leaf_place){ .fd = -1 };
	/* L5 may have removed the write bits. */
	r = root_dir_open_as_owner(rootdir, image, &io, &real);
	if (r == 0)
		r = leaf_place_init(place, rootdir, real);
	place->io = io;
	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	return r < 0 ? r : leaf_place_check(place);
}

/* Does .NAME.ENDING exist beside the image? */
static bool has_hidden(const struct root_dir *rootdir, const char *image,
		       const char *ending)
{
	_cleanup_free_ char *path = NULL;
	const char *name = name_last(image);
	int fd;

	if (asprintf(&path, "%.*s.%s.%s", (int)(name - image), image, name,
		     ending) < 0) {
		path = NULL;
		return false;
	}
	fd = root_dir_openat(rootdir, path, O_PATH | O_NOFOLLOW);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

bool leaf_replace_is_pending(const struct root_dir *rootdir, const char *image)
{
	return has_hidden(rootdir, image, "leaf") ||
	       has_hidden(rootdir, image, "intent") ||
	       has_hidden(rootdir, image, "intent.new");
}

bool leaf_replace_has_intent(const struct root_dir *rootdir, const char *image)
{
	return has_hidden(rootdir, image, "intent");
}

mode_t leaf_replace_lost_write_bits(const struct root_dir *rootdir,
				    const char *real)
{
	_cleanup_(error_set) struct error why = *error_last();
	struct leaf_place place;
	mode_t bits = 0;

	if (!leaf_replace_has_intent(rootdir, real))
		return 0;
	if (leaf_place_init(&place, rootdir, real) == 0)
		bits = leaf_lost_write_bits(&place);
	leaf_place_fini(&place);
	return bits;
}

int leaf_replace_recover(const struct root_dir *rootdir, const char *image,
			 bool *ret_done)
{
	_cleanup_(place_close) struct leaf_place place;
	int r = place_open(&place, rootdir, image);

	return r < 0 ? r : leaf_recover(&place, ret_done);
}

/* L1, after place_open. */
static int open_old(struct leaf_place *place)
{
	int r;

	if (fstat(place->io->fd, &place->st) < 0)
		return fail_errno(-errno, "%s", place->path);
	if (!mode_write_bits(place->st.st_mode))
		return fail(-EPERM,
			    "%s: write permission: expected some, found none; "
			    "an image with children keeps its name",
			    place->path);
	r = image_open(place->io, NULL, &place->img);
	return r < 0 ? r : image_settle(place->img);
}

/* The parent of the new leaf: the old leaf under the name keep, or another
 * image. */
static int open_parent(const struct leaf_place *place,
		       const struct leaf_replacement *replacement,
		       struct protected_parent *ret)
{
	if (replacement->parent)
		return protected_parent_open(replacement->rootdir,
					     replacement->parent, ret);
	ret->img = place->img;
	if (asprintf(&ret->path, "%s/%s", place->dir, replacement->keep) >= 0)
		return 0;
	ret->path = NULL;
	return fail(-ENOMEM, "%s: out of memory", place->path);
}

static void close_parent(const struct leaf_place *place,
			 struct protected_parent *parent)
{
	if (parent->img == place->img)
		parent->img = NULL;
	protected_parent_close(parent);
}

/* L3 to L6.  *ret_renamed: L6 was done, so nothing is to be undone. */
static int replace(const struct leaf_place *place,
		   const struct leaf_replacement *replacement,
		   struct protected_parent *parent, bool *ret_renamed)
{
	const char *keep = replacement->keep;
	int r = leaf_intent_write(place, keep);

	if (r == 0 && keep)
		r = leaf_link(place, keep);
	if (r == 0)
		r = leaf_mark(place, replacement->mark, parent);
	if (r == 0)
		r = leaf_rename(place);
	*ret_renamed = r == 0;
	return r < 0 ? r : leaf_sync_rename(place);
}

static int replace_with(struct leaf_place *place,
			const struct leaf_replacement *replacement,
			struct protected_parent *parent)
{
	_cleanup_(io_close_p) struct io *leaf = NULL;
	bool renamed = false;
	int r = leaf_create(place, &leaf);

	if (r == 0)
		r = leaf_write(place, parent, leaf);
	if (r == 0)
		r = replace(place, replacement, parent, &renamed);
	if (r == 0)
		r = leaf_intent_remove(place);
	else if (!renamed)
		leaf_undo(place, parent);
	if (r < 0 && renamed)
		error_advise("%s has its new leaf, which a power cut may still "
			     "undo",
			     place->path);
	return r;
}

int leaf_replace(const struct leaf_replacement *replacement)
{
	_cleanup_(place_close) struct leaf_place place;
	struct protected_parent parent = { 0 };
	int r = place_open(&place, replacement->rootdir, replacement->image);

	if (r == 0)
		r = leaf_recover(&place, NULL);
	if (r == 0)
		r = leaf_check_keep(&place, replacement->keep);
	if (r == 0)
		r = open_old(&place);
	if (r == 0)
		r = open_parent(&place, replacement, &parent);
	if (r == 0)
		r = replace_with(&place, replacement, &parent);
	close_parent(&place, &parent);
	return r;
}
