/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalog: what each image of the store is, by its own file, and so which
 * images are parents.
 *
 * An image file is examined again when it has changed, and when a name came or
 * went, or stands for another image, by which its parent is searched: not when
 * anything else changes.  What follows for an image from its parents (its
 * depth, what is wrong with it) is worked out in memory (ancestry.c).  What
 * cannot be read for no fault of the file is tried again when it is asked for,
 * but no more than a tenth of the time goes into waiting for a disk.
 *
 * NO LOCK IS HELD while a file is examined.  A request examines, in its own
 * thread, the image that it is for, and the parents of that.  All other images
 * are examined by threads of the catalog (examiners), and a request waits for
 * them, for any of them may be a child; but an image at which an examiner has
 * been for PATIENCE_MS, while no other was finished, is not waited for again.
 * Until it is finished it counts as one whose parent is unknown.
 *
 * An image that is open here for writing is left alone until it is closed: its
 * file changes under our own hands, and the chain that is open knows better.
 */
#include "config.h"

#include "store/store-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fold.h"
#include "base/log.h"
#include "io/blocking.h"

enum {
	NSEC = 1000000000,
	NSEC_PER_MS = 1000000,
	WAIT_FACTOR = 9,
	PATIENCE_MS = 2000,
	EXAMINERS_MAX = 16,
	ROUNDS_MAX = 8,
};

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

/* What changes the chain must not wait for ever for what uses it. */
static void init_io_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

struct store_image *catalog_image_locked(struct store *store,
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
	pthread_mutex_init(&image->open_lock, NULL);
	init_io_lock(&image->io_lock);
	if (!tsearch(image, &store->images, by_id)) {
		free(image);
		return NULL;
	}
	catalog_mark_stale_locked(store, image);
	return image;
}

/* THE QUEUE of the images that are to be examined. */

static void await(struct store *store, struct store_image *image, bool yes)
{
	store->n_awaited += yes - image->awaited;
	image->awaited = yes;
}

static void unqueue(struct store *store, struct store_image *image)
{
	if (!image->queued)
		return;
	image->queued = false;
	*image->queue_at = image->queue_next;
	if (image->queue_next)
		image->queue_next->queue_at = image->queue_at;
	else
		store->queue_end = image->queue_at;
}

void catalog_mark_stale_locked(struct store *store, struct store_image *image)
{
	image->stale = true;
	if (image->queued || image->writing)
		return;
	image->queued = true;
	image->queue_next = NULL;
	image->queue_at = store->queue_end;
	*store->queue_end = image;
	store->queue_end = &image->queue_next;
	/* One that is slow is still being examined. */
	await(store, image, !image->examining || image->awaited);
}

void catalog_release_locked(struct store *store, struct store_image *image)
{
	if (image->names || image->refs || image->opens || image->examining)
		return;
	tdelete(image, &store->images, by_id);
	unqueue(store, image);
	await(store, image, false);
	store->changed = true;
	info_fini(&image->info);
	info_free_words(image->error);
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

	store->changed = true;
	if (folded && tfind(folded, &store->changed_names, by_text))
		return;
	/* Without memory: examine all children again. */
	if (folded && tsearch(folded, &store->changed_names, by_text))
		steal(folded);
	else
		store->dirs_changed = true;
}

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NSEC + ts.tv_nsec;
}

/* It could not be read, and not for a fault of its file. */
static bool is_to_be_tried(const struct store_image *image)
{
	return image->retry_at && now() >= image->retry_at;
}

void catalog_compare_locked(struct store *store, struct store_image *image,
			    const struct stat *st)
{
	const struct file_stamp stamp = { st->st_size, st->st_mtim,
					  st->st_ctim };

	if (image->writing || image->stale)
		return;
	if (!image->known || is_to_be_tried(image) ||
	    !file_stamp_same(&stamp, &image->seen))
		catalog_mark_stale_locked(store, image);
}

bool catalog_fs_writable_locked(const struct store *store,
				const struct store_image *image)
{
	/* An immutable file answers EPERM. */
	return !image->names ||
	       faccessat(store->roots[0].fd, image->names->real, W_OK,
			 AT_EACCESS) == 0 ||
	       (errno != EROFS && errno != EPERM);
}

bool catalog_writable_locked(const struct store *store,
			     const struct store_image *image,
			     const struct stat *st)
{
	return !store->read_only && !image->children && !image->info.readonly &&
	       !ancestry_doubt_locked(store, image) && (st->st_mode & 0222) &&
	       catalog_fs_writable_locked(store, image);
}

void catalog_take_open(struct store *store, struct store_image *image)
{
	struct info info = { 0 };
	int r = examine_chain(image->chain, &info);

	pthread_mutex_lock(&store->lock);
	if (r == 0 && (!image->names || !image->known || image->info.error)) {
		info_fini(&image->info);
		image->info = info;
		image->known = true;
		store->changed = true;
	} else {
		info_fini(&info);
	}
	pthread_mutex_unlock(&store->lock);
}

/* EXAMINING */

static void log_warning(const struct info *old, const struct info *new)
{
	if (new->warning &&
	    (!old->warning || strcmp(old->warning, new->warning) != 0))
		log_warn("%s", new->warning);
}

/* One line, though a parent that is broken breaks all its children. */
static void log_text(struct store *store, const char *old, const char *new)
{
	char *copy;

	if (!new || (old && !strcmp(old, new)) ||
	    tfind(new, &store->logged, by_text))
		return;
	log_error("%s", new);
	copy = strdup(new);
	if (copy && !tsearch(copy, &store->logged, by_text))
		free(copy);
}

static void log_change(struct store *store, const struct store_image *image,
		       const struct info *new)
{
	if (!image->names || image->names->hidden)
		return;
	log_text(store, image->info.error, new->error);
	log_text(store, image->info.readonly, new->readonly);
}

/*
 * Nothing new is known of its parent: what was known goes on to count, for that
 * must not be written.
 */
static void record_parent(struct info *old, struct info *new)
{
	if (new->has_up)
		return;
	new->has_up = old->has_up;
	new->up = old->up;
	new->unreadable |= old->unreadable;
	memcpy(new->parent_ids, old->parent_ids, sizeof new->parent_ids);
	if (!new->type)
		new->differencing = old->differencing;
	for (int i = 0; i < 2; i++)
		if (!new->wanted[i])
			new->wanted[i] = steal(old->wanted[i]);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* May those that name it as their parent find another thing there now? */
static bool is_other_parent(const struct info *a, const struct info *b)
{
	return !same_text(a->format, b->format) || a->size != b->size ||
	       !same_text(a->error, b->error) || !guid_equal(&a->id, &b->id);
}

static void tell_children(struct store *store, const struct store_image *image)
{
	for (struct dir_entry *e = image->names; e; e = e->next_name)
		catalog_name_changed_locked(store, e->name);
}

/* How long it is not tried again: a disk that does not answer takes a tenth of
 * the time.  Memory and descriptors may be there with the next request. */
static int64_t rest_after(const struct examination *e)
{
	bool waits = e->gone || e->result == -EIO || e->result == -EBUSY;

	return waits ? WAIT_FACTOR * (now() - e->began) : 0;
}

/* What was found becomes what is known. */
static void take_result(struct store *store, struct store_image *image,
			struct examination *e)
{
	bool passing = e->result < 0 && error_is_passing(e->result);
	bool other;

	image->retry_at = 0;
	if (e->gone || passing || e->result == -EBUSY)
		image->retry_at = now() + rest_after(e);
	image->busy = e->result == -EBUSY;
	/* What is known of it is still so, and it is looked at again. */
	if (image->writing || (e->gone && image->known) ||
	    (image->busy && image->known && !image->info.error)) {
		info_fini(&e->info);
		return;
	}
	if (passing)
		record_parent(&image->info, &e->info);
	other = image->known &&
		(is_other_parent(&image->info, &e->info) ||
		 image->seen.mtime.tv_sec != e->seen.mtime.tv_sec);
	if (!image->busy) {
		log_change(store, image, &e->info);
		log_warning(&image->info, &e->info);
	}
	info_fini(&image->info);
	image->info = e->info;
	image->seen = e->seen;
	image->known = true;
	if (other)
		tell_children(store, image);
}

static void set_paths(const struct store_image *image, struct examination *e)
{
	for (struct dir_entry *n = image->names;
	     n && e->n_paths < EXAMINE_PATHS; n = n->next_name) {
		e->paths[e->n_paths] = strdup(n->real);
		e->n_paths += e->paths[e->n_paths] != NULL;
	}
}

/* The lock is let go meanwhile. */
static void examine_locked(struct store *store, struct store_image *image)
{
	struct examination e = { .id = image->id,
				 .began = now(),
				 .ours = image->opens > 0,
				 .hidden =
					 image->names && image->names->hidden };

	unqueue(store, image);
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
	take_result(store, image, &e);
	await(store, image, false);
	/* It was changed meanwhile. */
	if (image->stale)
		catalog_mark_stale_locked(store, image);
	store->changed = true;
	store->n_examined++;
	pthread_cond_broadcast(&store->examined);
	catalog_release_locked(store, image);
}

/* The next one that is to be examined and can be; null for none. */
static struct store_image *next_queued(struct store *store)
{
	struct store_image *image;

	while ((image = store->queue)) {
		/* The other thread sees that it is stale again. */
		if (image->names && !image->writing && !image->examining)
			return image;
		unqueue(store, image);
		await(store, image, image->examining && image->awaited);
	}
	return NULL;
}

static void *run_examiner(void *arg)
{
	struct store *store = arg;
	struct store_image *image;

	pthread_mutex_lock(&store->lock);
	while (!store->closing && (image = next_queued(store)))
		examine_locked(store, image);
	store->examiners--;
	pthread_cond_broadcast(&store->examined);
	pthread_mutex_unlock(&store->lock);
	return NULL;
}

/* One more thread; without one this thread does it. */
static void add_examiner(struct store *store)
{
	pthread_attr_t attr;
	pthread_t thread;
	struct store_image *image;
	int r;

	if (store->examiners >= EXAMINERS_MAX)
		return;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	store->examiners++;
	r = pthread_create(&thread, &attr, run_examiner, store);
	pthread_attr_destroy(&attr);
	if (r == 0)
		return;
	store->examiners--;
	image = store->examiners ? NULL : next_queued(store);
	if (image)
		examine_locked(store, image);
}

void catalog_end_locked(struct store *store)
{
	store->closing = true;
	while (store->examiners)
		pthread_cond_wait(&store->examined, &store->lock);
}

static void give_up(struct store *store, struct store_image *image)
{
	if (image->examining)
		await(store, image, false);
}

/* Walking the tree of images. */

struct walk {
	struct store *store;
	image_visitor *visit;
};

static void walk_node(const void *node, VISIT which, void *closure)
{
	struct walk *walk = closure;

	if (which == postorder || which == leaf)
		walk->visit(walk->store, *(struct store_image *const *)node);
}

void catalog_each_locked(struct store *store, image_visitor *visit)
{
	struct walk walk = { store, visit };

	twalk_r(store->images, walk_node, &walk);
}

static struct timespec patience_ends(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += PATIENCE_MS / 1000;
	return t;
}

/* Until all images are known but those that are slow.  The lock is let go
 * meanwhile. */
static void wait_for_all(struct store *store)
{
	uint64_t seen = store->n_examined;
	struct timespec end = patience_ends();

	if (store->n_awaited)
		io_will_block();
	while (store->n_awaited) {
		if (!store->examiners && next_queued(store))
			add_examiner(store);
		if (!store->n_awaited)
			break;
		if (pthread_cond_clockwait(&store->examined, &store->lock,
					   CLOCK_MONOTONIC, &end) == 0) {
			if (store->n_examined == seen)
				continue;
		} else if (store->n_examined == seen) {
			catalog_each_locked(store, give_up);
			if (next_queued(store))
				add_examiner(store);
			if (store->examiners >= EXAMINERS_MAX)
				break;
		}
		seen = store->n_examined;
		end = patience_ends();
	}
}

/* WHAT FOLLOWS */

static bool is_changed_name(const struct store *store, const char *name)
{
	return name && tfind(name, &store->changed_names, by_text);
}

static void mark_if_concerned(struct store *store, struct store_image *image)
{
	const struct info *info = &image->info;

	if (is_changed_name(store, info->wanted[0]) ||
	    is_changed_name(store, info->wanted[1]) ||
	    (store->dirs_changed &&
	     (info->differencing || info->wanted[0] || info->wanted[1])))
		catalog_mark_stale_locked(store, image);
}

static void mark_concerned(struct store *store)
{
	if (!store->changed_names && !store->dirs_changed)
		return;
	catalog_each_locked(store, mark_if_concerned);
	store->dirs_changed = false;
	tdestroy(store->changed_names, free);
	store->changed_names = NULL;
}

void catalog_examine_stale_locked(struct store *store)
{
	/* What is found may concern others; where files change all the time,
	 * the rest is left to the next request. */
	for (int i = 0; i < ROUNDS_MAX; i++) {
		mark_concerned(store);
		if (!store->n_awaited)
			break;
		wait_for_all(store);
	}
	tdestroy(store->logged, free);
	store->logged = NULL;
	ancestry_derive_locked(store);
}

/* Waits for it, or examines it; the lock is let go meanwhile. */
static void know_one(struct store *store, struct store_image *image)
{
	if (image->stale && !image->examining && !image->writing &&
	    image->names) {
		examine_locked(store, image);
		return;
	}
	if (image->examining)
		io_will_block();
	while (image->examining)
		pthread_cond_wait(&store->examined, &store->lock);
}

void catalog_wait_locked(struct store *store, struct store_image *image)
{
	struct store_image *at = image;

	for (unsigned n = 0; at && n <= CHAIN_DEPTH_MAX; n++) {
		struct store_image *up;

		at->refs++;
		/* What a parent lacks, its children lack too. */
		if (at != image && !at->writing && !at->stale &&
		    is_to_be_tried(at))
			catalog_mark_stale_locked(store, at);
		know_one(store, at);
		mark_concerned(store);
		up = ancestry_parent_locked(store, at);
		at->refs--;
		if (at != image)
			catalog_release_locked(store, at);
		at = up;
	}
	ancestry_derive_locked(store);
}
