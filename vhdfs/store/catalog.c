/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Catalog: the images of a store by file, and the queue of those to examine.
 *
 * An image is examined again when its file has changed, and when a name by
 * which its parent is searched was added, removed, or refers to another image.
 * After a failure that may pass (I/O error, no memory) it is examined again
 * when a request needs it, but not before image.retry_at.
 *
 * An image that is open here for writing is not examined until it is closed:
 * its file changes all the time, and its open chain knows what is in it.
 */
#include "config.h"

#include "store/catalog.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fold.h"
#include "io/recovery.h"
#include "store/examine.h"

static int by_id(const void *a, const void *b)
{
	const struct store_image *x = a, *y = b;

	if (x->id.ino != y->id.ino)
		return x->id.ino < y->id.ino ? -1 : 1;
	return (x->id.dev > y->id.dev) - (x->id.dev < y->id.dev);
}

struct store_image *catalog_find_locked(const struct store *store,
					const struct file_id *id)
{
	struct store_image key = { .id = *id };
	struct store_image **found = tfind(&key, &store->images, by_id);

	return found ? *found : NULL;
}

/* Prefers writers: a change of the chain must not starve while requests use
 * it. */
static void init_io_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

struct store_image *catalog_get_locked(struct store *store,
				       const struct file_id *id)
{
	struct store_image *image = catalog_find_locked(store, id);

	if (image)
		return image;
	image = calloc(1, sizeof *image);
	if (!image)
		return NULL;
	image->store = store;
	image->id = *id;
	image->disk = recovery_disk_of_file(*id);
	pthread_mutex_init(&image->open_lock, NULL);
	init_io_lock(&image->io_lock);
	quota_init(&image->quota);
	if (!tsearch(image, &store->images, by_id)) {
		free(image);
		return NULL;
	}
	catalog_mark_stale_locked(image);
	return image;
}

static void exchange_names(struct store_image *a, struct store_image *b)
{
	struct dir_entry *names = a->names;

	a->names = b->names;
	b->names = names;
	for (struct dir_entry *e = a->names; e; e = e->next_name)
		e->image = a;
	for (struct dir_entry *e = b->names; e; e = e->next_name)
		e->image = b;
}

void catalog_exchange_locked(struct store_image *a, struct store_image *b)
{
	struct store_image **at_a = tfind(a, &a->store->images, by_id);
	struct store_image **at_b = tfind(b, &b->store->images, by_id);
	const struct image_info info = a->info;
	const struct file_stamp stamp = a->stamp;
	const struct file_id id = a->id;
	const bool known = a->known;

	/* The tree keeps its order: the nodes stay, and their images change. */
	*at_a = b;
	*at_b = a;
	a->id = b->id;
	b->id = id;
	a->info = b->info;
	b->info = info;
	a->stamp = b->stamp;
	b->stamp = stamp;
	a->known = b->known;
	b->known = known;
	exchange_names(a, b);
	a->store->derive_due = true;
}

const char *catalog_path_locked(const struct store_image *image)
{
	return image->names ? image->names->real : "(removed)";
}

/* QUEUE of the images to examine. */

void catalog_set_pending_locked(struct store_image *image, bool yes)
{
	image->store->n_pending += yes - image->pending;
	image->pending = yes;
}

void catalog_unqueue_locked(struct store_image *image)
{
	if (!image->queued)
		return;
	image->queued = false;
	TAILQ_REMOVE(&image->store->queue, image, queue_link);
}

void catalog_mark_stale_locked(struct store_image *image)
{
	struct store *store = image->store;

	image->stale = true;
	if (image->write_opens)
		return;
	if (!image->queued)
		TAILQ_INSERT_TAIL(&store->queue, image, queue_link);
	image->queued = true;
	/* Requests do not wait again for an examination that is slow.  An image
	 * that was queued during its examination is pending again after it. */
	catalog_set_pending_locked(image, !image->examining || image->pending);
}

void catalog_release_locked(struct store_image *image)
{
	if (image->names || image->refs || image->opens || image->examining)
		return;
	tdelete(image, &image->store->images, by_id);
	catalog_unqueue_locked(image);
	catalog_set_pending_locked(image, false);
	image->store->derive_due = true;
	image_info_fini(&image->info);
	image_info_free_text(image->error);
	quota_fini(&image->quota);
	pthread_rwlock_destroy(&image->io_lock);
	pthread_mutex_destroy(&image->open_lock);
	free(image);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

void catalog_name_changed_locked(struct store *store, const char *name)
{
	_cleanup_free_ char *folded = name_fold(name);
	char **found;

	store->derive_due = true;
	found = folded ? tsearch(folded, &store->changed_names, by_text) : NULL;
	if (!found)
		/* Out of memory: examine all children again. */
		store->dirs_changed = true;
	else if (*found == folded)
		steal(folded);
}

bool catalog_retry_is_due(const struct store_image *image)
{
	return image->retry_at && clock_us() >= image->retry_at;
}

void catalog_check_stamp_locked(struct store_image *image,
				const struct stat *st)
{
	const struct file_stamp stamp = { st->st_size, st->st_mtim,
					  st->st_ctim };

	if (image->write_opens || image->stale)
		return;
	if (!image->known || catalog_retry_is_due(image) ||
	    !file_stamp_same(&stamp, &image->stamp))
		catalog_mark_stale_locked(image);
}

struct walk {
	image_visitor *visit;
	void *ctx;
};

static void walk_node(const void *node, VISIT which, void *closure)
{
	struct walk *walk = closure;

	if (which == postorder || which == leaf)
		walk->visit(*(struct store_image *const *)node, walk->ctx);
}

void catalog_each_locked(const struct store *store, image_visitor *visit,
			 void *ctx)
{
	struct walk walk = { visit, ctx };

	twalk_r(store->images, walk_node, &walk);
}

static bool is_changed_name(const struct store *store, const char *name)
{
	return name && tfind(name, &store->changed_names, by_text);
}

static void mark_if_dependent(struct store_image *image, void *ctx)
{
	const struct store *store = ctx;
	const struct image_info *info = &image->info;

	if (is_changed_name(store, info->parent_names[0]) ||
	    is_changed_name(store, info->parent_names[1]) ||
	    (store->dirs_changed &&
	     (info->differencing || info->parent_names[0] ||
	      info->parent_names[1])))
		catalog_mark_stale_locked(image);
}

void catalog_mark_dependents_locked(struct store *store)
{
	if (!store->changed_names && !store->dirs_changed)
		return;
	catalog_each_locked(store, mark_if_dependent, store);
	store->dirs_changed = false;
	tdestroy(store->changed_names, free);
	store->changed_names = NULL;
}
