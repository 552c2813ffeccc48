/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cache of open parents: a list with reference counts.  A parent stays in the
 * list as long as a chain uses it.  It is given to new chains as long as its
 * file is the one that was opened.
 */
#include "config.h"

#include "chain/parent-cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/error.h"
#include "chain/parent-image.h"
#include "io/rootdir.h"

struct parent_cache {
	const struct root_dir *roots;
	size_t n_roots;
	/* The list and the references.  No I/O, and no other lock, under it. */
	pthread_mutex_t lock;
	struct parent_image *entries;
};

int parent_cache_new(const struct root_dir *roots, size_t n_roots,
		     struct parent_cache **ret)
{
	struct parent_cache *cache = calloc(1, sizeof *cache);

	if (!cache || pthread_mutex_init(&cache->lock, NULL) != 0) {
		free(cache);
		return fail(-ENOMEM, "out of memory");
	}
	cache->roots = roots;
	cache->n_roots = n_roots;
	*ret = cache;
	return 0;
}

void parent_cache_free(struct parent_cache *cache)
{
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

const struct root_dir *parent_cache_roots(const struct parent_cache *cache,
					  size_t *ret_n)
{
	*ret_n = cache->n_roots;
	return cache->roots;
}

const struct root_dir *parent_cache_store(const struct parent_cache *cache)
{
	return &cache->roots[0];
}

static void unlink_entry(struct parent_cache *cache, struct parent_image *entry)
{
	struct parent_image **at = &cache->entries;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
}

/* Removes a reference from entry; takes entry, and the parents that only it
 * used, out of the list.  Returns them, linked by next.  Under the lock. */
static struct parent_image *take_unused(struct parent_cache *cache,
					struct parent_image *entry)
{
	struct parent_image *unused = NULL;

	while (entry && --entry->refs == 0) {
		struct parent_image *parent = entry->parent;

		if (entry->shared)
			unlink_entry(cache, entry);
		entry->next = unused;
		unused = entry;
		entry = parent;
	}
	return unused;
}

void parent_cache_put(struct parent_cache *cache, struct parent_image *entry)
{
	struct parent_image *unused;

	pthread_mutex_lock(&cache->lock);
	unused = take_unused(cache, entry);
	pthread_mutex_unlock(&cache->lock);
	while (unused) {
		entry = unused;
		unused = entry->next;
		parent_image_free(entry);
	}
}

/* The open parent of that file, with a reference; null if none is open. */
static struct parent_image *get_open(struct parent_cache *cache, dev_t dev,
				     ino_t ino)
{
	struct parent_image *l;

	pthread_mutex_lock(&cache->lock);
	for (l = cache->entries; l; l = l->next)
		if (!l->outdated && l->img->io->dev == dev &&
		    l->img->io->ino == ino)
			break;
	if (l)
		l->refs++;
	pthread_mutex_unlock(&cache->lock);
	return l;
}

/* The file holds another image: reads through it fail from now on. */
static void mark_replaced(struct parent_cache *cache,
			  struct parent_image *entry)
{
	pthread_mutex_lock(&cache->lock);
	entry->outdated = true;
	for (struct parent_image *l = cache->entries; l; l = l->next)
		for (struct parent_image *up = l; up; up = up->parent)
			if (up == entry)
				atomic_store(&l->replaced, true);
	pthread_mutex_unlock(&cache->lock);
}

static void mark_outdated(struct parent_cache *cache,
			  struct parent_image *entry)
{
	pthread_mutex_lock(&cache->lock);
	entry->outdated = true;
	pthread_mutex_unlock(&cache->lock);
}

/* True if the file's data is as it was when the entry was opened: now becomes
 * the entry's stamp. */
static bool renew_stamp(struct parent_cache *cache, struct parent_image *entry,
			const struct file_stamp *now)
{
	bool same;

	pthread_mutex_lock(&cache->lock);
	same = file_stamp_same_data(&entry->stamp, now);
	if (same)
		entry->stamp = *now;
	pthread_mutex_unlock(&cache->lock);
	return same;
}

/*
 * Whether the file of this entry, without its parents, is unchanged since it
 * was opened.  A change of its attributes only (chmod, a rename) leaves the
 * tables in memory valid.  After any other change the next chain reads the
 * tables again; if the file holds another image now, open chains get an error
 * instead of its bytes.
 */
static bool entry_is_current(struct parent_cache *cache,
			     struct parent_image *entry)
{
	struct file_stamp now;
	int r;

	if (atomic_load(&entry->replaced))
		return false;
	if (io_file_stamp(entry->img->io, &now) < 0)
		return true;
	pthread_mutex_lock(&cache->lock);
	r = file_stamp_same(&entry->stamp, &now);
	pthread_mutex_unlock(&cache->lock);
	if (r)
		return true;
	r = parent_image_matches_file(entry->img);
	if (r == 0)
		mark_replaced(cache, entry);
	else if (r > 0 && renew_stamp(cache, entry, &now))
		return true;
	mark_outdated(cache, entry);
	return false;
}

bool parent_cache_is_current(struct parent_cache *cache,
			     struct parent_image *entry)
{
	bool current = true;

	for (struct parent_image *l = entry; l; l = l->parent)
		current &= entry_is_current(cache, l);
	if (!current)
		mark_outdated(cache, entry);
	return current;
}

void parent_cache_file_changed(struct parent_cache *cache, dev_t dev, ino_t ino)
{
	struct parent_image *entry = get_open(cache, dev, ino);

	if (!entry)
		return;
	parent_cache_is_current(cache, entry);
	parent_cache_put(cache, entry);
}

struct parent_image *parent_cache_insert(struct parent_cache *cache,
					 struct parent_image *entry)
{
	struct parent_image *first =
		get_open(cache, entry->img->io->dev, entry->img->io->ino);

	if (first && parent_cache_is_current(cache, first)) {
		parent_cache_put(cache, entry);
		return first;
	}
	parent_cache_put(cache, first);
	pthread_mutex_lock(&cache->lock);
	entry->shared = true;
	entry->next = cache->entries;
	cache->entries = entry;
	pthread_mutex_unlock(&cache->lock);
	return entry;
}

struct parent_image *parent_cache_get(struct parent_cache *cache,
				      const struct io *io)
{
	struct parent_image *entry = get_open(cache, io->dev, io->ino);

	if (entry && !parent_cache_is_current(cache, entry)) {
		parent_cache_put(cache, entry);
		return NULL;
	}
	return entry;
}
