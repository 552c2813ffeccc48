/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening a chain, by its leaf's path or through kept descriptors, and closing
 * it. */
#include "config.h"

#include "chain/chain-internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "chain/parent-cache.h"
#include "format/registry.h"
#include "io/rootdir.h"

static void chain_destroy(struct chain *chain)
{
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

/* The leaf and its layers in one array, from the leaf down. */
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

/* Opens what is in io, which is its own from now on, even if it fails. */
static int open_images(struct chain *chain, struct io *io, int flags)
{
	_cleanup_(io_close_p) struct io *own = io;
	struct image *leaf;
	/* Before it is read: a change meanwhile shows later. */
	int r = io_file_stamp(io, &chain->stamp);

	if (r == 0)
		r = open_leaf(io, flags, &leaf);
	if (r < 0)
		return r;
	steal(own);
	r = parent_cache_open(chain->cache, leaf, 0, chain->leaf_path,
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
	r = root_dir_open(parent_cache_store(cache), path,
			  flags & CHAIN_WRITABLE, &io, &chain->leaf_path);
	if (r == 0)
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
