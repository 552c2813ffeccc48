/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening of all parents of an image, from the leaf up to the end of the chain.
 *
 * A parent that is in the cache is taken from there, with all its own parents.
 * Any other one is locked first, then read: so a check of its identity that
 * succeeded before the lock is repeated after it.
 */
#include "config.h"

#include "chain/parent-open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chain/chain-map.h"
#include "chain/map-cache.h"
#include "chain/parent-cache.h"
#include "chain/parent-image.h"
#include "chain/parent-search.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "io/recovery.h"
#include "io/rootdir.h"

/* An image on the way from the leaf up; the list shows a cycle. */
struct trail {
	const struct trail *child;
	const struct image *img;
	unsigned length;
};

static int check_cycle(const struct trail *trail, const struct io *io)
{
	for (const struct trail *t = trail; t; t = t->child)
		if (file_id_equal(io_file_id(t->img->io), io_file_id(io)))
			return fail(-ELOOP,
				    "%s: is its own parent, %u images up; "
				    "one of them names the wrong parent",
				    io->name, trail->length - t->length + 1);
	if (trail->length > CHAIN_DEPTH_MAX)
		return fail(-ELOOP,
			    "%s: expected at most %d parents, found more",
			    io->name, CHAIN_DEPTH_MAX);
	return 0;
}

static int open_up(struct parent_cache *cache, const struct trail *trail,
		   size_t rootdir, const char *real, bool lock,
		   struct parent_image **ret);

static int make_map_cache(struct parent_image *entry)
{
	struct image *images[CHAIN_DEPTH_MAX];
	unsigned n = 0;

	for (struct parent_image *l = entry; l; l = l->parent) {
		if (n == CHAIN_DEPTH_MAX)
			return fail(-ELOOP,
				    "%s: expected at most %d parents, "
				    "found more",
				    entry->path, CHAIN_DEPTH_MAX);
		images[n++] = l->img;
	}
	return map_cache_new(images, n, &entry->map);
}

/* Opens a parent that the cache does not have, and its own parents. */
static int open_entry(struct parent_cache *cache, const struct trail *trail,
		      const struct parent_search *s, struct found_parent *found,
		      bool lock, struct parent_image **ret)
{
	_cleanup_(parent_image_free_p) struct parent_image *entry =
		calloc(1, sizeof *entry);
	struct trail here = { .child = trail, .length = trail->length + 1 };
	int r;

	if (!entry || !(entry->path = parent_search_path(s, found)))
		return fail(-ENOMEM, "out of memory");
	r = parent_search_rename(found->io, entry->path);
	if (r == 0 && lock)
		r = io_lock(found->io, IO_LOCK_SHARED);
	/* Stamp before read: a change during the read is detected later. */
	if (r == 0)
		r = io_file_stamp(found->io, &entry->stamp);
	if (r == 0)
		r = image_open(found->io, NULL, &entry->img);
	if (r < 0)
		return r;
	found->io = NULL;
	/* Checked again: the file may have been written before the lock. */
	r = parent_search_check(s, entry->img);
	here.img = entry->img;
	if (r == 0)
		r = open_up(cache, &here, found->rootdir, found->real, lock,
			    &entry->parent);
	if (r < 0)
		return r;
	r = make_map_cache(entry);
	if (r < 0) {
		parent_cache_put(cache, entry->parent);
		return r;
	}
	entry->refs = 1;
	*ret = steal(entry);
	if (lock)
		*ret = parent_cache_insert(cache, *ret);
	return 0;
}

static void put_after_failure(struct parent_cache *cache,
			      struct parent_image *entry)
{
	struct error why = *error_last();

	parent_cache_put(cache, entry);
	error_set(&why);
}

/* Index of the root directory that the file lies in; 0, the store, if it lies
 * in none. */
static size_t rootdir_index_of(const struct parent_search *s, const char *name)
{
	for (size_t i = 0; i < s->n_roots; i++) {
		const char *root = s->roots[i].path;
		size_t n = strlen(root);

		if (!strncmp(name, root, n) && name[n] == '/')
			return i;
	}
	return 0;
}

/* The parent that the previous process had open for the same child. */
static int find_recovered(const struct parent_search *s,
			  const struct image *child, struct found_parent *ret)
{
	dev_t dev;
	ino_t ino;
	int r;

	if (!child->io->recovery ||
	    !recovery_file_parent(child->io->recovery, &dev, &ino))
		return -ENOENT;
	r = io_file_inherit(dev, ino, false, &ret->io);
	if (r < 0)
		return r;
	ret->rootdir = rootdir_index_of(s, ret->io->name);
	ret->real = root_dir_real_path(&s->roots[ret->rootdir], ret->io->fd,
				       ret->io->name);
	return ret->real ? 0 : fail(-ENOMEM, "out of memory");
}

/* For the next process. */
static void record_parent(const struct image *child,
			  const struct parent_image *parent)
{
	if (child->io->recovery)
		recovery_file_set_parent(child->io->recovery,
					 parent->img->io->dev,
					 parent->img->io->ino);
}

/* Opens the parent of the trail's last image, which is at path real. */
static int open_up(struct parent_cache *cache, const struct trail *trail,
		   size_t rootdir, const char *real, bool lock,
		   struct parent_image **ret)
{
	struct image *child = (struct image *)trail->img;
	struct parent_ref ref;
	struct found_parent found = { 0 };
	struct parent_image *open = NULL;
	struct parent_search s = {
		.child = child->io->name,
		.ref = &ref,
		.sector_size = child->sector_size,
		.rootdir = rootdir,
	};
	int r;

	*ret = NULL;
	if (child->type != IMAGE_DIFFERENCING)
		return 0;
	r = image_parent(child, &ref);
	if (r < 0)
		return r;
	parent_search_init(&s, cache, real);
	r = find_recovered(&s, child, &found);
	if (r == -ENOENT)
		r = parent_search_run(&s, &found);
	if (r == 0)
		r = check_cycle(trail, found.io);
	if (r == 0 && lock)
		open = parent_cache_get(cache, found.io);
	if (r == 0 && open) {
		/* It may be another file than the one that was searched. */
		r = parent_search_check(&s, open->img);
		if (r == 0)
			*ret = open;
		else
			put_after_failure(cache, open);
	} else if (r == 0) {
		r = open_entry(cache, trail, &s, &found, lock, ret);
	}
	if (r == 0 && lock)
		record_parent(child, *ret);
	found_parent_fini(&found);
	parent_ref_fini(&ref);
	return r;
}

int parent_open_all(struct parent_cache *cache, struct image *child,
		    size_t rootdir, const char *real, bool lock,
		    struct parent_image **ret)
{
	struct trail trail = { .img = child, .length = 1 };

	return open_up(cache, &trail, rootdir, real, lock, ret);
}
