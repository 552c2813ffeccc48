/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Examiners: threads that examine the queued images.
 *
 * store.lock is not held while a file is examined.  A request examines, in its
 * own thread, the image that it is for, and its parents.  Examiner threads
 * examine all other images, and the request waits for them, because any of them
 * may be a child of its image.  Where no examination has ended for PATIENCE_MS,
 * those under way are slow: no request waits for them again, and until they end
 * the parent of each such image is unknown (ancestry.c).
 */
#include "config.h"

#include "store/examiners.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "chain/chain.h"
#include "io/blocking.h"
#include "store/ancestry.h"
#include "store/catalog.h"
#include "store/examine.h"

enum {
	/* A failed examination is repeated after 9 times the time it took, so
	 * that a disk that does not answer takes a tenth of the time. */
	RETRY_FACTOR = 9,
	PATIENCE_MS = 2000,
	EXAMINERS_MAX = 16,
	PASSES_MAX = 8,
};

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

void examiners_read_open_chain(struct store_image *image)
{
	struct store *store = image->store;
	struct image_info info = { 0 };
	int r = examine_chain(image->chain, &info);

	pthread_mutex_lock(&store->lock);
	if (r == 0 && (!image->names || !image->known || image->info.error)) {
		image_info_fini(&image->info);
		image->info = info;
		image->known = true;
		store->derive_due = true;
	} else {
		image_info_fini(&info);
	}
	pthread_mutex_unlock(&store->lock);
}

/* Logs each text once: the error of a parent is that of all its children. */
static void log_text(struct store *store, const char *old, const char *new)
{
	char *copy;

	if (!new || image_info_same_text(old, new) ||
	    tfind(new, &store->logged_errors, by_text))
		return;
	log_error("%s", new);
	copy = strdup(new);
	if (copy && !tsearch(copy, &store->logged_errors, by_text))
		free(copy);
}

static void log_change(const struct store_image *image,
		       const struct image_info *new)
{
	if (!image->names || image->names->hidden)
		return;
	log_text(image->store, image->info.error, new->error);
	log_text(image->store, image->info.readonly, new->readonly);
}

/* The examination failed before it found the parent: the known one stays, so
 * that it is still not written. */
static void keep_known_parent(struct image_info *old, struct image_info *new)
{
	if (new->has_parent)
		return;
	new->has_parent = old->has_parent;
	new->parent_file = old->parent_file;
	new->parent_unknown |= old->parent_unknown;
	memcpy(new->parent_ids, old->parent_ids, sizeof new->parent_ids);
	if (!new->type)
		new->differencing = old->differencing;
	for (int i = 0; i < 2; i++)
		if (!new->parent_names[i])
			new->parent_names[i] = steal(old->parent_names[i]);
}

/* May a child that names this image find another parent than before? */
static bool identity_changed(const struct image_info *a,
			     const struct image_info *b)
{
	return !image_info_same_text(a->format, b->format) ||
	       a->size != b->size ||
	       !image_info_same_text(a->error, b->error) ||
	       !guid_equal(&a->id, &b->id);
}

static void mark_children(const struct store_image *image)
{
	for (struct dir_entry *e = image->names; e; e = e->next_name)
		catalog_name_changed_locked(image->store, e->name);
}

/* Microseconds until the next try.  0 where memory or descriptors lacked: the
 * next request may find them. */
static int64_t retry_delay(const struct examination *e)
{
	bool waits = e->gone || e->result == -EIO || e->result == -EBUSY;

	return waits ? RETRY_FACTOR * (clock_us() - e->began) : 0;
}

/* Sets the image's info from a finished examination. */
static void apply_result(struct store_image *image, struct examination *e)
{
	bool passing = e->result < 0 && error_is_passing(e->result);
	bool other;

	image->retry_at = 0;
	if (e->gone || passing || e->result == -EBUSY)
		image->retry_at = clock_us() + retry_delay(e);
	image->busy = e->result == -EBUSY;
	/* Keep the info; retry_at or the close leads to another examination. */
	if (image->write_opens || (e->gone && image->known) ||
	    (image->busy && image->known && !image->info.error)) {
		image_info_fini(&e->info);
		return;
	}
	if (passing)
		keep_known_parent(&image->info, &e->info);
	other = image->known &&
		(identity_changed(&image->info, &e->info) ||
		 image->stamp.mtime.tv_sec != e->stamp.mtime.tv_sec);
	if (!image->busy) {
		log_change(image, &e->info);
		if (e->info.warning &&
		    !image_info_same_text(image->info.warning, e->info.warning))
			log_warn("%s", e->info.warning);
	}
	image_info_fini(&image->info);
	image->info = e->info;
	image->stamp = e->stamp;
	image->known = true;
	if (other)
		mark_children(image);
}

static void set_paths(const struct store_image *image, struct examination *e)
{
	for (struct dir_entry *n = image->names;
	     n && e->n_paths < EXAMINE_PATHS; n = n->next_name) {
		e->paths[e->n_paths] = strdup(n->real);
		e->n_paths += e->paths[e->n_paths] != NULL;
	}
}

/* Releases store.lock meanwhile. */
static void examine_locked(struct store_image *image)
{
	struct store *store = image->store;
	struct examination e = { .id = image->id,
				 .began = clock_us(),
				 .ours = image->opens > 0,
				 .hidden =
					 image->names && image->names->hidden };

	catalog_unqueue_locked(image);
	image->stale = false;
	image->examining = true;
	set_paths(image, &e);
	pthread_mutex_unlock(&store->lock);
	examine(store, &e);
	parent_cache_file_changed(store->cache, e.id.dev, e.id.ino);
	for (size_t i = 0; i < e.n_paths; i++)
		free(e.paths[i]);
	pthread_mutex_lock(&store->lock);
	image->examining = false;
	apply_result(image, &e);
	catalog_set_pending_locked(image, false);
	/* It changed during the examination. */
	if (image->stale)
		catalog_mark_stale_locked(image);
	store->derive_due = true;
	store->n_examined++;
	pthread_cond_broadcast(&store->examined);
	catalog_release_locked(image);
}

/* The next image that can be examined; null: none.  Takes the others off the
 * queue. */
static struct store_image *next_queued(struct store *store)
{
	struct store_image *image;

	while ((image = TAILQ_FIRST(&store->queue))) {
		if (image->names && !image->write_opens && !image->examining)
			return image;
		/* If it is being examined, that thread queues it again. */
		catalog_unqueue_locked(image);
		catalog_set_pending_locked(image,
					   image->examining && image->pending);
	}
	return NULL;
}

static void *run_examiner(void *arg)
{
	struct store *store = arg;
	struct store_image *image;

	pthread_mutex_lock(&store->lock);
	while (!store->closing && (image = next_queued(store)))
		examine_locked(image);
	store->examiners--;
	pthread_cond_broadcast(&store->examined);
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* Starts a thread; where that fails and there is none, examines one image in
 * this thread. */
static void add_examiner(struct store *store)
{
	pthread_t thread;
	struct store_image *image;
	int r;

	if (store->examiners >= EXAMINERS_MAX)
		return;
	store->examiners++;
	r = pthread_create(&thread, NULL, run_examiner, store);
	if (r == 0) {
		pthread_detach(thread);
		return;
	}
	store->examiners--;
	image = store->examiners ? NULL : next_queued(store);
	if (image)
		examine_locked(image);
}

void examiners_stop_locked(struct store *store)
{
	store->closing = true;
	while (store->examiners)
		pthread_cond_wait(&store->examined, &store->lock);
}

static void stop_waiting_for(struct store_image *image, void *ctx)
{
	(void)ctx;
	if (image->examining)
		catalog_set_pending_locked(image, false);
}

static struct timespec patience_deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += PATIENCE_MS / 1000;
	return t;
}

/* Waits until no image is pending: each is examined, or slow. */
static void wait_for_all(struct store *store)
{
	uint64_t seen = store->n_examined;
	struct timespec end = patience_deadline();

	if (store->n_pending)
		io_will_block();
	while (store->n_pending) {
		if (!store->examiners && next_queued(store))
			add_examiner(store);
		if (!store->n_pending)
			break;
		if (pthread_cond_clockwait(&store->examined, &store->lock,
					   CLOCK_MONOTONIC, &end) == 0) {
			if (store->n_examined == seen)
				continue;
		} else if (store->n_examined == seen) {
			catalog_each_locked(store, stop_waiting_for, NULL);
			if (next_queued(store))
				add_examiner(store);
			if (store->examiners >= EXAMINERS_MAX)
				break;
		}
		seen = store->n_examined;
		end = patience_deadline();
	}
}

void examiners_run_locked(struct store *store)
{
	/* A result may make other images stale.  The limit is for files that
	 * change all the time: the next request continues. */
	for (int i = 0; i < PASSES_MAX; i++) {
		catalog_mark_dependents_locked(store);
		if (!store->n_pending)
			break;
		wait_for_all(store);
	}
	tdestroy(store->logged_errors, free);
	store->logged_errors = NULL;
	ancestry_derive_locked(store);
}

/* Examines the image, or waits for the thread that does. */
static void examine_or_wait(struct store_image *image)
{
	if (image->stale && !image->examining && !image->write_opens &&
	    image->names) {
		examine_locked(image);
		return;
	}
	if (image->examining)
		io_will_block();
	while (image->examining)
		pthread_cond_wait(&image->store->examined, &image->store->lock);
}

void examiners_wait_locked(struct store_image *image)
{
	struct store_image *at = image;

	for (unsigned n = 0; at && n <= CHAIN_DEPTH_MAX; n++) {
		struct store_image *parent;

		at->refs++;
		/* The error of a parent is that of its children. */
		if (at != image && !at->write_opens && !at->stale &&
		    catalog_retry_is_due(at))
			catalog_mark_stale_locked(at);
		examine_or_wait(at);
		catalog_mark_dependents_locked(image->store);
		parent = ancestry_parent_locked(at);
		at->refs--;
		if (at != image)
			catalog_release_locked(at);
		at = parent;
	}
	ancestry_derive_locked(image->store);
}
