/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rebase in steps of a chain that clients write to. */
#include "config.h"

#include "chain/rebase-step.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/log.h"
#include "chain/chain-internal.h"
#include "chain/difference.h"
#include "chain/parent-image.h"
#include "chain/parent-open.h"
#include "chain/rebase.h"
#include "io/blocking.h"
#include "io/recovery.h"

struct step {
	struct chain *chain;
	uint64_t *copied;
};

static int copy(void *arg, const struct difference *difference)
{
	struct step *step = arg;
	int r = chain_store_shown(step->chain, difference->a, difference->off,
				  difference->len);

	if (r == 0)
		*step->copied += difference->len;
	return r;
}

/* The new parent's file; the leaf's own, which cannot be its parent: none. */
static struct file_id parent_id(const struct chain *chain,
				const struct chain *parent)
{
	return io_file_id(chain_leaf(parent ? parent : chain)->io);
}

static void forget_steps(struct chain *chain)
{
	struct chain *held = steal(chain->rebase_with);

	chain->rebase_parent = (struct file_id){ 0 };
	if (held)
		chain_close(held);
}

void chain_rebase_hold(struct chain *chain, struct chain *parent)
{
	struct chain *held = chain->rebase_with;

	if (held && parent &&
	    file_id_equal(parent_id(chain, held), parent_id(chain, parent))) {
		chain_close(parent);
		return;
	}
	if (held || parent)
		forget_steps(chain);
	chain->rebase_with = parent;
}

/* Begins again, if the steps before do not end at *off. */
static void begin(struct chain *chain, struct chain *parent, uint64_t *off)
{
	const struct file_id id = parent_id(chain, parent);

	if (file_id_equal(chain->rebase_parent, id) &&
	    chain->rebase_done == *off)
		return;
	atomic_store(&chain->keeps_zeros, true);
	/* Waits until a zeroing that has not seen it has ended. */
	io_wrlock(&chain->rmw_lock);
	pthread_rwlock_unlock(&chain->rmw_lock);
	chain->rebase_parent = id;
	chain->rebase_done = *off = 0;
}

/* The first extent from *off on: compares it if the leaf does not store it. */
static int do_extent(struct step *step, struct chain *parent, uint64_t *off,
		     uint64_t end)
{
	struct chain_extent e;
	int r;

	if (!parent)
		return chain_complete_step(step->chain, *off, off,
					   step->copied);
	r = chain_map(step->chain, *off, end - *off, &e);
	if (r == 0 && e.depth != 0)
		r = chain_differences(step->chain, parent, *off, *off + e.len,
				      copy, step);
	if (r == 0)
		*off += e.len;
	return r;
}

int chain_rebase_step(struct chain *chain, uint64_t *off, uint64_t len,
		      uint64_t *copied)
{
	struct step step = { .chain = chain, .copied = copied };
	struct chain *parent = chain->rebase_with;
	uint64_t end;
	int r = 0;

	begin(chain, parent, off);
	end = *off + min_u64(len, chain_size(chain) - *off);
	while (r == 0 && *off < end)
		r = do_extent(&step, parent, off, end);
	chain->rebase_done = *off;
	return r;
}

bool chain_rebase_is_complete(const struct chain *chain,
			      const struct chain *parent)
{
	return file_id_equal(chain->rebase_parent, parent_id(chain, parent)) &&
	       chain->rebase_done == chain_size(chain) &&
	       !parent == !chain->rebase_with;
}

void chain_rebase_end(struct chain *chain)
{
	forget_steps(chain);
	atomic_store(&chain->keeps_zeros, false);
}

static int check_kind(const struct image *img, const struct image *parent)
{
	if (img->type != IMAGE_DIFFERENCING)
		return fail(-EINVAL,
			    "%s: type: expected differencing, found %s",
			    img->io->name, image_type_name(img->type));
	if (parent->ops != img->ops)
		return fail(
			-EINVAL,
			"%s: format: expected %s, as of the child, found %s",
			parent->io->name, img->ops->name, parent->ops->name);
	if (parent->sector_size != img->sector_size)
		return fail(-EINVAL,
			    "%s: sector size: expected %u, as of the child, "
			    "found %u",
			    parent->io->name, img->sector_size,
			    parent->sector_size);
	return 0;
}

int chain_check_parent(const struct image *img, struct chain *parent)
{
	for (unsigned i = 0; i <= chain_depth(parent); i++)
		if (file_id_equal(io_file_id(chain_image(parent, i)->io),
				  io_file_id(img->io)))
			return fail(-ELOOP,
				    "%s: is a child of %s, or the same file; "
				    "expected another parent",
				    chain_path(parent, 0), img->io->name);
	return check_kind(img, chain_leaf(parent));
}

/* The parent is to be searched by its name, also by the next process, and not
 * to be the one that is recorded as open. */
static void forget_parent(const struct image *leaf)
{
	if (leaf->io->recovery)
		recovery_file_set_parent(leaf->io->recovery, 0, 0);
}

static void record_parent(const struct chain *chain)
{
	const struct io *leaf = chain->images[0]->io;
	const struct io *parent = chain->images[1]->io;

	if (leaf->recovery)
		recovery_file_set_parent(leaf->recovery, parent->dev,
					 parent->ino);
}

int chain_reload_parents(struct chain *chain)
{
	struct image *leaf = chain->images[0], **images;
	struct parent_image *parent = NULL;
	unsigned depth = 0;
	int r;

	forget_parent(leaf);
	r = parent_open_all(chain->cache, leaf, 0, chain->leaf_path, true,
			    &parent);

	if (r < 0)
		return r;
	for (struct parent_image *l = parent; l; l = l->parent)
		depth++;
	images = calloc(depth + 1, sizeof *images);
	if (!images) {
		parent_cache_put(chain->cache, parent);
		return fail(-ENOMEM, "%s: out of memory", leaf->io->name);
	}
	images[0] = leaf;
	depth = 0;
	for (struct parent_image *l = parent; l; l = l->parent)
		images[++depth] = l->img;
	parent_cache_put(chain->cache, chain->parent);
	free(chain->images);
	chain->parent = parent;
	chain->images = images;
	chain->depth = depth;
	return 0;
}

int chain_set_parent(struct chain *chain, const char *path,
		     const struct image_params *params)
{
	_cleanup_free_ char *leaf_path = strdup(path);
	int r;

	if (!leaf_path)
		return fail(-ENOMEM, "%s: out of memory", path);
	forget_parent(chain->images[0]);
	r = image_set_parent(chain->images[0], params);
	if (r < 0 && chain->depth)
		record_parent(chain);
	if (r < 0)
		return r;
	/* The leaf may have names in several directories: the relative path of
	 * its parent begins at this one now. */
	free(chain->leaf_path);
	chain->leaf_path = steal(leaf_path);
	chain_rebase_end(chain);
	if (chain_reload_parents(chain) < 0)
		log_error("%s", error_text());
	return 0;
}

int chain_remove_parent(struct chain *chain)
{
	uint64_t copied;
	int r = chain_complete(chain, &copied, NULL, NULL);

	if (r == 0)
		r = chain_flush(chain);
	if (r == 0)
		r = image_remove_parent(chain->images[0]);
	if (r < 0)
		return r;
	chain_rebase_end(chain);
	return chain_reload_parents(chain);
}

bool chain_has_parent(const struct chain *chain, struct file_id file)
{
	for (unsigned i = 1; i <= chain->depth; i++)
		if (file_id_equal(io_file_id(chain->images[i]->io), file))
			return true;
	return false;
}
