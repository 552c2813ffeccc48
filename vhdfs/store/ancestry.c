/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ancestry: depth, errors and children of each image, derived from the infos of
 * all images.  In memory, in a few passes over all images.
 *
 * UNKNOWN PARENT.  An image whose reference to its parent cannot be read may be
 * a child of every image of its format that is not a child itself.  None of
 * these is written then.
 *
 * ORPHAN.  A child whose parent is not where the child names it, because it was
 * moved, is a child of every image with the identifier that the child names.
 */
#include "config.h"

#include "store/ancestry.h"

#include <search.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "chain/chain.h"
#include "format/registry.h"
#include "store/catalog.h"
#include "store/examine.h"

/* The format of an image that was not examined is unknown. */
static bool may_have_format(const struct store_image *image,
			    const struct image_ops *format)
{
	return !image->info.format || !strcmp(image->info.format, format->name);
}

const struct store_image *
ancestry_unknown_child_locked(const struct store_image *image)
{
	const struct store_image *child = NULL;

	for (int i = 0; !child && image_formats[i]; i++)
		if (may_have_format(image, image_formats[i]))
			child = image->store->unknown_parent[i];
	return image->info.differencing || child == image ? NULL : child;
}

const char *ancestry_child_path_locked(const struct store_image *image)
{
	const struct store_image *child = image->child;

	if (!image->children)
		child = ancestry_unknown_child_locked(image);
	return child && child->names ? child->names->real : NULL;
}

const char *ancestry_warning_locked(const struct store_image *image)
{
	for (unsigned i = 0; image && i <= CHAIN_DEPTH_MAX; i++) {
		if (image->info.warning)
			return image->info.warning;
		image = ancestry_parent_locked(image);
	}
	return NULL;
}

static void set_error(struct store_image *image, const char *text)
{
	if (image_info_same_text(image->error, text))
		return;
	image_info_free_text(image->error);
	image->error = text ? image_info_copy_text(text) : NULL;
}

/* parent: derived already; null: none in the store. */
static void derive_from(struct store_image *image,
			const struct store_image *parent)
{
	image->depth = parent ? parent->depth + 1 : image->info.outside_parents;
	image->derived = DERIVED;
	if (image->info.error)
		set_error(image, image->info.error);
	else if (parent && parent->error)
		set_error(image, parent->error);
	else if (image->depth > CHAIN_DEPTH_MAX)
		set_error(image, format_arg("%s: expected at most %d parents, "
					    "found more",
					    catalog_path_locked(image),
					    CHAIN_DEPTH_MAX));
	else
		set_error(image, NULL);
}

struct store_image *ancestry_parent_locked(const struct store_image *image)
{
	return image->info.has_parent
		       ? catalog_find_locked(image->store,
					     &image->info.parent_file)
		       : NULL;
}

/* image is its own ancestor: sets the error of each image of the cycle. */
static void derive_cycle(struct store_image *image)
{
	struct store_image *at = image;
	unsigned n = 0;

	do {
		n++;
		at = ancestry_parent_locked(at);
	} while (at != image);
	do {
		set_error(at,
			  format_arg("%s: is its own parent, %u images up; one "
				     "of them names the wrong parent",
				     catalog_path_locked(at), n));
		at->depth = 0;
		at->derived = DERIVED;
		at = ancestry_parent_locked(at);
	} while (at != image);
}

/* Derives the image and its parents, without recursion: chains are long. */
static void derive(struct store_image *image, void *ctx)
{
	struct store_image *child = NULL, *at = image;

	(void)ctx;
	/* Up, to an image that is derived already or has no parent... */
	while (at && at->derived == NOT_DERIVED) {
		at->derived = DERIVING;
		at->derive_next = child;
		child = at;
		at = ancestry_parent_locked(at);
	}
	if (at && at->derived == DERIVING)
		derive_cycle(at);
	/* ...and down again. */
	for (; child; child = child->derive_next) {
		if (child->derived == DERIVING)
			derive_from(child, at);
		at = child;
	}
}

static void reset_derived(struct store_image *image, void *ctx)
{
	(void)ctx;
	image->children = 0;
	image->child = NULL;
	image->derived = NOT_DERIVED;
}

static int by_parent_id(const void *a, const void *b)
{
	const struct store_image *x = a, *y = b;

	return memcmp(&x->info.parent_ids[0], &y->info.parent_ids[0],
		      sizeof x->info.parent_ids[0]);
}

static int by_second_parent_id(const void *a, const void *b)
{
	const struct store_image *x = a, *y = b;

	return memcmp(&x->info.parent_ids[1], &y->info.parent_ids[1],
		      sizeof x->info.parent_ids[1]);
}

static void add_detached(struct store_image *image, void *ctx)
{
	struct store *store = ctx;
	const struct guid *ids = image->info.parent_ids;

	if (!image->names || ancestry_parent_locked(image))
		return;
	if (!guid_is_null(&ids[0]))
		tsearch(image, &store->detached[0], by_parent_id);
	if (!guid_is_null(&ids[1]))
		tsearch(image, &store->detached[1], by_second_parent_id);
}

static void count_detached_child(struct store_image *image, void *ctx)
{
	struct store *store = ctx;
	const struct guid *id = &image->info.id;
	struct store_image key = { .info.parent_ids = { *id, *id } };
	struct store_image **child = NULL;

	if (guid_is_null(id))
		return;
	child = tfind(&key, &store->detached[0], by_parent_id);
	if (!child)
		child = tfind(&key, &store->detached[1], by_second_parent_id);
	if (!child)
		return;
	image->children++;
	image->child = *child;
}

static void keep_node(void *node)
{
	(void)node;
}

static void count_detached_children(struct store *store)
{
	catalog_each_locked(store, add_detached, store);
	if (store->detached[0] || store->detached[1])
		catalog_each_locked(store, count_detached_child, store);
	for (int i = 0; i < 2; i++) {
		tdestroy(store->detached[i], keep_node);
		store->detached[i] = NULL;
	}
}

static void count_child(struct store_image *image, void *ctx)
{
	struct store *store = ctx;
	struct store_image *parent = ancestry_parent_locked(image);

	if (!image->names)
		return;
	if (parent && parent != image) {
		parent->children++;
		parent->child = image;
	}
	if (image->write_opens ||
	    (image->known && !image->info.parent_unknown && !image->stale &&
	     !image->examining))
		return;
	for (int i = 0; image_formats[i]; i++)
		if (may_have_format(image, image_formats[i]))
			store->unknown_parent[i] = image;
}

static bool was_logged(const struct store *store,
		       const struct store_image *image)
{
	for (unsigned i = 0; i < IMAGE_FORMATS_MAX; i++)
		if (store->logged_unknown[i] == image)
			return true;
	return false;
}

/* Logs an unknown parent once for each image, when it is not stale. */
static void log_unknown(struct store *store)
{
	for (unsigned i = 0; i < IMAGE_FORMATS_MAX; i++) {
		const struct store_image *image = store->unknown_parent[i];
		bool logged = was_logged(store, image);

		if (image &&
		    (!image->known || image->stale || image->examining))
			continue;
		store->logged_unknown[i] = image;
		if (image && !logged)
			log_warn(
				"%s: its parent reference cannot be read; no image that may be its parent is opened for writing; repair it or move it out of the store",
				image->names->real);
	}
}

void ancestry_derive_locked(struct store *store)
{
	if (!store->derive_due)
		return;
	memset(store->unknown_parent, 0, sizeof store->unknown_parent);
	catalog_each_locked(store, reset_derived, NULL);
	catalog_each_locked(store, derive, NULL);
	catalog_each_locked(store, count_child, store);
	count_detached_children(store);
	log_unknown(store);
	store->derive_due = false;
}
