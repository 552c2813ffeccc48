/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Examining an image file: read its headers and find the file of its parent.
 *
 * Of the parent only the identity is read, not its own parents: the catalog
 * has their errors from their own examination.  A parent outside of the store
 * (-o parents=DIR) is not in the catalog, so its chain is opened whole.
 *
 * An image that cannot be opened, because its log or its tables are broken,
 * still names its parent where its header can be read (image_ops.peek).
 */
#include "config.h"

#include "store/examine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fold.h"
#include "chain/chain.h"
#include "format/registry.h"
#include "io/lent-bit.h"
#include "io/rootdir.h"
#include "store/image-names.h"
#include "store/leaf-replace.h"

/* An error must not get lost when there is no memory for its text. */
static char no_memory[] = "out of memory";

char *image_info_copy_text(const char *text)
{
	char *copy = strdup(text);

	return copy ? copy : no_memory;
}

void image_info_free_text(char *text)
{
	if (text != no_memory)
		free(text);
}

bool image_info_same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

void image_info_fini(struct image_info *info)
{
	free(info->parent_path);
	free(info->warning);
	free(info->readonly);
	image_info_free_text(info->error);
	free(info->parent_names[0]);
	free(info->parent_names[1]);
	memset(info, 0, sizeof *info);
}

/* Sets *ret to text, which was just allocated. */
static int set_text(char **ret, char *text)
{
	*ret = text;
	return text ? 0 : fail(-ENOMEM, "out of memory");
}

/* Sets info.readonly where the image can be read but not written. */
static int read_readonly_reason(struct image *leaf, struct image_info *info)
{
	int r = image_may_write(leaf);

	if (r == 0 || error_is_passing(r))
		return r;
	return set_text(&info->readonly, strdup(error_text()));
}

static void read_identity(const struct image *leaf, struct image_info *info)
{
	info->format = leaf->ops->name;
	info->type = image_type_name(leaf->type);
	info->differencing = leaf->type == IMAGE_DIFFERENCING;
	info->id = leaf->id;
	info->size = leaf->size;
}

static int read_parent_names(const struct parent_ref *ref,
			     struct image_info *info)
{
	int r = 0;

	info->parent_ids[0] = ref->id;
	info->parent_ids[1] = ref->id2;
	if (ref->relative)
		r = set_text(&info->parent_names[0],
			     name_fold(name_last(ref->relative)));
	if (r == 0 && ref->basename)
		r = set_text(&info->parent_names[1], name_fold(ref->basename));
	return r;
}

/* The parent is outside of the store: counts the parents there, and returns the
 * error of the first broken one. */
static int open_outside_chain(struct store *store, const char *path,
			      struct image_info *info)
{
	struct chain *chain;
	int r = chain_open(store->cache, path, CHAIN_NO_LOCK, &chain);

	if (r < 0)
		return r;
	info->outside_parents = chain_depth(chain);
	chain_close(chain);
	return 0;
}

/* A VHD's child has the time at which its parent was written last. */
static int read_warning(struct store *store, const struct image *child,
			const struct parent_ref *ref, struct image_info *info)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int r;

	if (!ref->mtime)
		return 0;
	r = *info->parent_path == '/'
		    ? io_file_open(info->parent_path, false, &io)
		    : root_dir_open(&store->roots[0], info->parent_path, false,
				    &io, NULL);
	return r < 0 ? r : parent_time_warning(child, io, ref, &info->warning);
}

static int find_parent(struct store *store, const char *path,
		       const struct image *child, const struct parent_ref *ref,
		       struct image_info *info)
{
	dev_t dev;
	ino_t ino;
	int r = parent_cache_find(store->cache, path, ref, child,
				  &info->parent_path, &dev, &ino);

	if (r < 0)
		return r;
	info->parent_file = (struct file_id){ dev, ino };
	info->has_parent = true;
	r = read_warning(store, child, ref, info);
	if (r == 0 && *info->parent_path == '/')
		r = open_outside_chain(store, path, info);
	return r;
}

int examine_chain(struct chain *chain, struct image_info *info)
{
	struct image *leaf = chain_leaf(chain);
	struct parent_ref ref = { 0 };
	int r = read_readonly_reason(leaf, info);

	read_identity(leaf, info);
	if (r == 0 && info->differencing)
		r = image_parent(leaf, &ref);
	if (r == 0)
		r = read_parent_names(&ref, info);
	parent_ref_fini(&ref);
	if (r < 0 || !chain_depth(chain))
		return r;
	info->has_parent = true;
	info->parent_file = io_file_id(chain_image(chain, 1)->io);
	info->outside_parents = chain_depth(chain);
	r = chain_warning(chain, 0, &info->warning);
	return r < 0 ? r
		     : set_text(&info->parent_path,
				strdup(chain_path(chain, 1)));
}

/* Reads the parent reference of an open image, and finds the parent. */
static int read_parent(struct store *store, const char *path,
		       struct image *leaf, struct image_info *info)
{
	struct parent_ref ref;
	int r = image_parent(leaf, &ref);

	if (r < 0) {
		info->parent_unknown = !error_is_passing(r);
		return r;
	}
	r = read_parent_names(&ref, info);
	if (r == 0)
		r = find_parent(store, path, leaf, &ref, info);
	parent_ref_fini(&ref);
	return r;
}

/* The same of an image that cannot be opened.  Keeps the last error. */
static void read_broken(struct store *store, const char *path, struct io *io,
			const struct image_ops *ops, struct image_info *info)
{
	_cleanup_(error_set) struct error why = *error_last();
	struct parent_ref ref = { 0 };
	struct image self = { .ops = ops, .io = io };
	int r = ops->peek ? ops->peek(&self, &ref) : -EOPNOTSUPP;

	/* A new leaf that a crash left unfinished has no contents yet. */
	info->parent_unknown = r < 0 && !name_is_new_leaf(path);
	if (r == 0 && self.type == IMAGE_DIFFERENCING &&
	    read_parent_names(&ref, info) == 0)
		find_parent(store, path, &self, &ref, info);
	parent_ref_fini(&ref);
}

/* Examines the image in io, which it closes. */
static int read_image(struct store *store, const char *path, struct io *io,
		      bool hidden, struct image_info *info)
{
	const struct image_ops *ops;
	struct image *leaf;
	int r = image_format_probe(io, &ops);

	if (r == 0 && image_format_is_raw(ops) && hidden) {
		io_close(io);
		return 0;
	}
	if (r == 0 && !image_format_is_raw(ops))
		info->format = ops->name;
	if (r == 0)
		r = image_open(io, NULL, &leaf);
	if (r < 0) {
		if (info->format && !error_is_passing(r))
			read_broken(store, path, io, ops, info);
		io_close(io);
		return r;
	}
	read_identity(leaf, info);
	if (info->differencing)
		r = read_parent(store, path, leaf, info);
	if (r == 0)
		r = read_readonly_reason(leaf, info);
	image_close(leaf);
	return r;
}

/* Does another program have the file locked?  It may be writing it; then this
 * is the error. */
static bool is_in_use(const char *path, const struct io *io,
		      struct image_info *info)
{
	_cleanup_(io_close_p) struct io *own = NULL;
	char holder[80];

	if (io_file_reopen(io, &own) < 0 ||
	    io_file_in_use(own, holder, sizeof holder) <= 0)
		return false;
	fail(-EBUSY, "%s: the image is in use%s", path, holder);
	image_info_free_text(info->error);
	info->error = image_info_copy_text(error_text());
	return true;
}

/* Examines the file through one of its paths. */
static int examine_path(struct store *store, struct examination *e,
			const char *path)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	struct io *own;
	int r = root_dir_open(&store->roots[0], path, false, &io, NULL);

	if (r == 0 && !file_id_equal(io_file_id(io), e->id))
		r = fail(-ENOENT, "%s: replaced by another file", path);
	if (r == 0 && !store->read_only)
		lent_bit_clear(io->fd, path);
	/* Before the file is read, so that a later change differs. */
	if (r == 0)
		r = io_file_stamp(io, &e->stamp);
	if (r == 0)
		r = io_file_reopen(io, &own);
	if (r < 0) {
		e->gone = r == -ENOENT;
		return r;
	}
	e->gone = false;
	r = read_image(store, path, own, e->hidden, &e->info);
	if (r < 0)
		e->info.error = image_info_copy_text(error_text());
	if (r < 0 && !error_is_passing(r) && !e->ours &&
	    is_in_use(path, io, &e->info))
		r = -EBUSY;
	return r;
}

void examine(struct store *store, struct examination *e)
{
	e->gone = true;
	e->result = -ENOENT;
	for (size_t i = 0; i < e->n_paths && e->result < 0; i++) {
		image_info_fini(&e->info);
		e->result = examine_path(store, e, e->paths[i]);
	}
	for (size_t i = 0; i < e->n_paths && !e->gone; i++)
		e->info.lost_write_bits |= leaf_replace_lost_write_bits(
			&store->roots[0], e->paths[i]);
	if (e->result < 0 && !e->info.error)
		e->info.error = image_info_copy_text(error_text());
}
