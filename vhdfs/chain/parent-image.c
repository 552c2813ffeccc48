/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of parents that are open: shared by all chains of a family, as long
 * as their files are what was opened.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "chain/parent-cache.h"
#include "chain/map-cache.h"
#include "format/registry.h"

static bool is_file(const struct parent_image *l, dev_t dev, ino_t ino)
{
	return l->img->io->dev == dev && l->img->io->ino == ino;
}

void parent_image_free(struct parent_image *entry)
{
	map_cache_free(entry->map);
	if (entry->img)
		image_close(entry->img);
	free(entry->path);
	free(entry);
}

static void unlink_entry(struct parent_cache *cache, struct parent_image *entry)
{
	struct parent_image **at = &cache->entries;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
}

/* Takes layer, and the parents that only it used, out of the list; they are
 * linked by next then. With the lock. */
static struct parent_image *take_out(struct parent_cache *cache,
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
	unused = take_out(cache, entry);
	pthread_mutex_unlock(&cache->lock);
	while (unused) {
		entry = unused;
		unused = entry->next;
		parent_image_free(entry);
	}
}

/* The open layer of that file, with a reference; null for none. */
static struct parent_image *get_open(struct parent_cache *cache, dev_t dev,
				     ino_t ino)
{
	struct parent_image *l;

	pthread_mutex_lock(&cache->lock);
	for (l = cache->entries; l; l = l->next)
		if (!l->outdated && is_file(l, dev, ino))
			break;
	if (l)
		l->refs++;
	pthread_mutex_unlock(&cache->lock);
	return l;
}

/* The file is another one's by now: no chain reads through it any more. */
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

int parent_image_matches_file(const struct image *open)
{
	struct io *io;
	struct image *img;
	int r = io_file_reopen(open->io, &io);

	if (r < 0)
		return r;
	r = image_open(io, NULL, &img);
	if (r < 0) {
		io_close(io);
		return error_is_passing(r) ? r : 0;
	}
	r = image_is_same(open, img);
	image_close(img);
	return r;
}

/*
 * Was the file of this layer alone changed since it was opened?  A change of
 * its attributes only (chmod, a rename) leaves what is in memory true.  After
 * another change the next chain reads the file's tables anew; where the file
 * holds another image, chains that are open get an error instead of its bytes.
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
	else if (r > 0 && file_stamp_same_data(&entry->stamp, &now)) {
		pthread_mutex_lock(&cache->lock);
		entry->stamp = now;
		pthread_mutex_unlock(&cache->lock);
		return true;
	}
	mark_outdated(cache, entry);
	return false;
}

/* The same of it and all its parents. */
static bool is_current(struct parent_cache *cache, struct parent_image *entry)
{
	bool current = true;

	for (struct parent_image *l = entry; l; l = l->parent)
		current &= entry_is_current(cache, l);
	if (!current)
		mark_outdated(cache, entry);
	return current;
}

bool parent_cache_is_current(struct parent_cache *cache,
			     struct parent_image *entry)
{
	return !entry || is_current(cache, entry);
}

void parent_cache_file_changed(struct parent_cache *cache, dev_t dev, ino_t ino)
{
	struct parent_image *entry = get_open(cache, dev, ino);

	if (!entry)
		return;
	is_current(cache, entry);
	parent_cache_put(cache, entry);
}

struct parent_image *parent_cache_insert(struct parent_cache *cache,
					 struct parent_image *entry)
{
	struct parent_image *first =
		get_open(cache, entry->img->io->dev, entry->img->io->ino);

	if (first && is_current(cache, first)) {
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

	if (entry && !is_current(cache, entry)) {
		parent_cache_put(cache, entry);
		return NULL;
	}
	return entry;
}
