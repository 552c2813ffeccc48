/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Life of a chain: open it by its leaf's path or by inherited descriptors,
 * upgrade and downgrade its lock, detect files that were replaced, close it.
 */
#include "config.h"

#include "chain/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chain/chain-internal.h"
#include "chain/lock-upgrade.h"
#include "chain/parent-image.h"
#include "chain/parent-open.h"
#include "format/registry.h"
#include "io/rootdir.h"

static void chain_destroy(struct chain *chain)
{
	if (chain->rebase_with)
		chain_close(chain->rebase_with);
	parent_cache_put(chain->cache, chain->parent);
	free(chain->images);
	free(chain->leaf_path);
	pthread_rwlock_destroy(&chain->rmw_lock);
	free(chain);
}

DEFINE_CLEANUP(struct chain *, chain_destroy);

static int open_leaf(struct io *io, int flags, struct image **ret)
{
	bool raw = flags & CHAIN_ALWAYS_RAW;
	const struct image_ops *ops;
	int r = 0;

	if (!raw) {
		r = image_format_probe(io, &ops);
		raw = r == 0 && flags & CHAIN_RAW && image_format_is_raw(ops);
	}
	if (r == 0 && !(flags & CHAIN_NO_LOCK))
		r = io_lock(io, flags & CHAIN_WRITABLE ? IO_LOCK_EXCLUSIVE
						       : IO_LOCK_SHARED);
	if (r < 0)
		return r;
	return raw ? image_open_raw(io, ret) : image_open(io, NULL, ret);
}

/* Lists the leaf and its parents, the leaf first. */
static int list_images(struct chain *chain, struct image *leaf)
{
	unsigned n = 0;

	for (struct parent_image *l = chain->parent; l; l = l->parent)
		chain->depth++;
	chain->images = calloc(chain->depth + 1, sizeof *chain->images);
	if (!chain->images)
		return fail(-ENOMEM, "%s: out of memory", leaf->io->name);
	chain->images[n++] = leaf;
	for (struct parent_image *l = chain->parent; l; l = l->parent)
		chain->images[n++] = l->img;
	return 0;
}

/* Opens the leaf in io, and its parents.  Owns io, even if it fails. */
static int open_images(struct chain *chain, struct io *io, int flags)
{
	_cleanup_(io_close_p) struct io *own = io;
	struct image *leaf;
	/* Stamp before read: a change during the read is detected later. */
	int r = io_file_stamp(io, &chain->stamp);

	if (r == 0)
		r = open_leaf(io, flags, &leaf);
	if (r < 0)
		return r;
	steal(own);
	r = parent_open_all(chain->cache, leaf, 0, chain->leaf_path,
			    !(flags & CHAIN_NO_LOCK), &chain->parent);
	if (r == 0)
		r = list_images(chain, leaf);
	if (r < 0) {
		struct error why = *error_last();

		image_close(leaf);
		error_set(&why);
	}
	return r;
}

static struct chain *chain_new(struct parent_cache *cache)
{
	struct chain *chain = calloc(1, sizeof *chain);

	if (!chain)
		return NULL;
	chain->cache = cache;
	pthread_rwlock_init(&chain->rmw_lock, NULL);
	return chain;
}

int chain_open(struct parent_cache *cache, const char *path, int flags,
	       struct chain **ret)
{
	_cleanup_(chain_destroy_p) struct chain *chain = chain_new(cache);
	struct io *io;
	int r;

	if (!chain)
		return fail(-ENOMEM, "%s: out of memory", path);
	r = flags & CHAIN_AS_OWNER
		    ? root_dir_open_as_owner(parent_cache_store(cache), path,
					     &io, &chain->leaf_path)
		    : root_dir_open(parent_cache_store(cache), path,
				    flags & CHAIN_WRITABLE, &io,
				    &chain->leaf_path);
	if (r == 0)
		r = open_images(chain, io, flags);
	if (r < 0)
		return r;
	*ret = steal(chain);
	return 0;
}

int chain_open_file(struct parent_cache *cache, struct io *io, const char *path,
		    int flags, struct chain **ret)
{
	_cleanup_(chain_destroy_p) struct chain *chain = chain_new(cache);
	int r;

	if (!chain || !(chain->leaf_path = strdup(path))) {
		io_close(io);
		return fail(-ENOMEM, "%s: out of memory", path);
	}
	r = open_images(chain, io, flags);
	if (r < 0)
		return r;
	*ret = steal(chain);
	return 0;
}

int chain_reopen(struct parent_cache *cache, dev_t dev, ino_t ino, int flags,
		 struct chain **ret)
{
	_cleanup_(chain_destroy_p) struct chain *chain = chain_new(cache);
	struct io *io;
	int r = chain ? io_file_inherit(dev, ino, flags & CHAIN_WRITABLE, &io)
		      : fail(-ENOMEM, "out of memory");

	if (r < 0)
		return r;
	chain->leaf_path =
		root_dir_real_path(parent_cache_store(cache), io->fd, io->name);
	if (!chain->leaf_path) {
		io_close(io);
		return fail(-ENOMEM, "out of memory");
	}
	r = open_images(chain, io, flags);
	if (r < 0)
		return r;
	*ret = steal(chain);
	return 0;
}

int chain_close(struct chain *chain)
{
	int r = image_close(chain->images[0]);

	chain_destroy(chain);
	return r;
}

int chain_upgrade_lock(struct chain *chain, const char *path)
{
	struct image *leaf = chain->images[0];

	/* A leaf that was downgraded is still open for writing. */
	if (leaf->writable)
		return io_lock(leaf->io, IO_LOCK_EXCLUSIVE);
	return lock_upgrade(parent_cache_store(chain->cache), path,
			    &chain->images[0]);
}

int chain_downgrade_lock(struct chain *chain)
{
	struct image *leaf = chain->images[0];
	int r = image_end_writes(leaf);

	if (r == 0)
		r = io_file_stamp(leaf->io, &chain->stamp);
	return r < 0 ? r : io_lock(leaf->io, IO_LOCK_SHARED);
}

const struct file_stamp *chain_stamp(const struct chain *chain)
{
	return &chain->stamp;
}

void chain_abandon(struct chain *chain)
{
	/* Formats do not write to an image that has failed. */
	atomic_store(&chain->images[0]->failed, -ESTALE);
	chain_close(chain);
}

int chain_check_leaf(struct chain *chain)
{
	struct image *leaf = chain->images[0];

	if (chain->replaced || parent_image_matches_file(leaf) != 0)
		return 0;
	chain->replaced = true;
	return image_fail(leaf, chain_fail_replaced(chain));
}

/* A change of attributes only leaves the tables in memory valid. */
static bool leaf_is_current(struct chain *chain)
{
	struct image *leaf = chain->images[0];
	struct file_stamp now;

	if (io_file_stamp(leaf->io, &now) < 0 ||
	    file_stamp_same(&chain->stamp, &now))
		return true;
	if (!file_stamp_same_data(&chain->stamp, &now) ||
	    parent_image_matches_file(leaf) == 0)
		return false;
	chain->stamp = now;
	return true;
}

bool chain_is_current(struct chain *chain)
{
	return leaf_is_current(chain) &&
	       parent_cache_is_current(chain->cache, chain->parent);
}

int chain_warning(const struct chain *chain, unsigned depth, char **ret)
{
	struct image *child = chain_image(chain, depth);
	struct parent_ref ref;
	int r;

	*ret = NULL;
	if (depth == chain_depth(chain))
		return 0;
	r = image_parent(child, &ref);
	if (r < 0)
		return r;
	r = parent_time_warning(child, chain_image(chain, depth + 1)->io, &ref,
				ret);
	parent_ref_fini(&ref);
	return r;
}
