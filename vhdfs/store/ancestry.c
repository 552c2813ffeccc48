/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kin: what follows for an image from its parents and its children.  Worked out
 * in memory, from what the catalog has of each file, in a few passes over all
 * images.
 *
 * UNKNOWN PARENTS.  An image whose reference to its parent cannot be read may
 * be a child of any image of its format that is not itself a child: those are
 * not written then.
 *
 * A child that does not find its parent where it names it (it was moved) counts
 * as one of every image that has the identifier which it names.
 */
#include "config.h"

#include "store/ancestry.h"

#include <search.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "chain/chain.h"
#include "store/catalog.h"
#include "store/examine.h"

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

const struct store_image *ancestry_doubt_locked(const struct store *store,
						const struct store_image *image)
{
	const struct store_image *const *d = store->doubts;
	bool vhd = image->info.format && !strcmp(image->info.format, "vhd");

	if (image->info.differencing)
		return NULL;
	d += vhd ? DOUBT_VHD : DOUBT_OTHER;
	return *d == image ? NULL : *d;
}

const char *ancestry_child_locked(const struct store *store,
				  const struct store_image *image)
{
	const struct store_image *child = image->child;

	if (!image->children)
		child = ancestry_doubt_locked(store, image);
	return child && child->names ? child->names->real : NULL;
}

const char *ancestry_warning_locked(const struct store *store,
				    const struct store_image *image)
{
	for (unsigned i = 0; image && i <= CHAIN_DEPTH_MAX; i++) {
		if (image->info.warning)
			return image->info.warning;
		image = ancestry_parent_locked(store, image);
	}
	return NULL;
}

static void set_error(struct store_image *image, const char *text)
{
	if (same_text(image->error, text))
		return;
	info_free_words(image->error);
	image->error = text ? info_keep_words(text) : NULL;
}

static const char *name_of(const struct store_image *image)
{
	return image->names ? image->names->real : "(removed)";
}

/* From what its parent is, which is known; null: it has none in the store. */
static void derive_from(struct store_image *image, const struct store_image *up)
{
	image->depth = up ? up->depth + 1 : image->info.outside;
	image->derived = DERIVED;
	if (image->info.error)
		set_error(image, image->info.error);
	else if (up && up->error)
		set_error(image, up->error);
	else if (image->depth > CHAIN_DEPTH_MAX)
		set_error(image, words("%s: expected at most %d parents, "
				       "found more",
				       name_of(image), CHAIN_DEPTH_MAX));
	else
		set_error(image, NULL);
}

struct store_image *ancestry_parent_locked(const struct store *store,
					   const struct store_image *image)
{
	return image->info.has_up ? catalog_find_locked(store, &image->info.up)
				  : NULL;
}

/* All images from this one up to the one that begins the cycle again. */
static void derive_cycle(struct store *store, struct store_image *image)
{
	struct store_image *at = image;
	unsigned n = 0;

	do {
		n++;
		at = ancestry_parent_locked(store, at);
	} while (at != image);
	do {
		set_error(at, words("%s: is its own parent, %u images up; one "
				    "of them names the wrong parent",
				    name_of(at), n));
		at->depth = 0;
		at->derived = DERIVED;
		at = ancestry_parent_locked(store, at);
	} while (at != image);
}

/* It and all above it, without recursion: chains may be long. */
static void derive(struct store *store, struct store_image *image)
{
	struct store_image *below = NULL, *at = image;

	/* Up, to what is known or has no parent... */
	while (at && at->derived == NOT_DERIVED) {
		at->derived = DERIVING;
		at->below = below;
		below = at;
		at = ancestry_parent_locked(store, at);
	}
	if (at && at->derived == DERIVING)
		derive_cycle(store, at);
	/* ...and down again. */
	for (; below; below = below->below) {
		if (below->derived == DERIVING)
			derive_from(below, at);
		at = below;
	}
}

static void forget_derived(struct store *store, struct store_image *image)
{
	(void)store;
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

static int by_parent_id2(const void *a, const void *b)
{
	const struct store_image *x = a, *y = b;

	return memcmp(&x->info.parent_ids[1], &y->info.parent_ids[1],
		      sizeof x->info.parent_ids[1]);
}

static void note_lost(struct store *store, struct store_image *image)
{
	const struct guid *ids = image->info.parent_ids;

	if (!image->names || ancestry_parent_locked(store, image))
		return;
	if (!guid_is_null(&ids[0]))
		tsearch(image, &store->orphans[0], by_parent_id);
	if (!guid_is_null(&ids[1]))
		tsearch(image, &store->orphans[1], by_parent_id2);
}

static void find_lost(struct store *store, struct store_image *image)
{
	const struct guid *id = &image->info.id;
	struct store_image key = { .info.parent_ids = { *id, *id } };
	struct store_image **child = NULL;

	if (guid_is_null(id))
		return;
	child = tfind(&key, &store->orphans[0], by_parent_id);
	if (!child)
		child = tfind(&key, &store->orphans[1], by_parent_id2);
	if (!child)
		return;
	image->children++;
	image->child = *child;
}

static void keep_node(void *node)
{
	(void)node;
}

static void count_lost(struct store *store)
{
	catalog_each_locked(store, note_lost);
	if (store->orphans[0] || store->orphans[1])
		catalog_each_locked(store, find_lost);
	for (int i = 0; i < 2; i++) {
		tdestroy(store->orphans[i], keep_node);
		store->orphans[i] = NULL;
	}
}

static void count_as_child(struct store *store, struct store_image *image)
{
	struct store_image *up = ancestry_parent_locked(store, image);
	const char *format = image->info.format;

	if (!image->names)
		return;
	if (up && up != image) {
		up->children++;
		up->child = image;
	}
	if (image->writing || (image->known && !image->info.unreadable &&
			       !image->stale && !image->examining))
		return;
	if (!format || strcmp(format, "vhd") != 0)
		store->doubts[DOUBT_OTHER] = image;
	if (!format || strcmp(format, "vhdx") != 0)
		store->doubts[DOUBT_VHD] = image;
}

/* Once for each image that is the cause, not while it is looked at. */
static void tell_doubts(struct store *store)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct store_image *d = store->doubts[i];
		bool is_told = d == store->told_doubts[0] ||
			       d == store->told_doubts[1];

		if (d && (!d->known || d->stale || d->examining))
			continue;
		store->told_doubts[i] = d;
		if (d && !is_told)
			log_warn(
				"%s: its own file does not say whose child it is; no image that may be its parent is written; repair it, or move it out of the store",
				d->names->real);
	}
}

void ancestry_derive_locked(struct store *store)
{
	if (!store->changed)
		return;
	memset(store->doubts, 0, sizeof store->doubts);
	catalog_each_locked(store, forget_derived);
	catalog_each_locked(store, derive);
	catalog_each_locked(store, count_as_child);
	count_lost(store);
	tell_doubts(store);
	store->changed = false;
}
