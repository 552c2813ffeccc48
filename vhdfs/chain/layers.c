/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of parents that are open: shared by all chains of a family, as long
 * as their files are what was opened.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "chain/family.h"
#include "chain/flat.h"

static bool is_file(const struct layer *l, dev_t dev, ino_t ino)
{
	return l->img->io->dev == dev && l->img->io->ino == ino;
}

void family_layer_free(struct layer *layer)
{
	flat_free(layer->flat);
	if (layer->img)
		image_close(layer->img);
	free(layer->path);
	free(layer);
}

static void unlink_layer(struct family *family, struct layer *layer)
{
	struct layer **at = &family->layers;

	while (*at != layer)
		at = &(*at)->next;
	*at = layer->next;
}

/* Takes layer, and the parents that only it used, out of the list; they are
 * linked by next then. With the lock. */
static struct layer *take_out(struct family *family, struct layer *layer)
{
	struct layer *unused = NULL;

	while (layer && --layer->refs == 0) {
		struct layer *parent = layer->parent;

		if (layer->shared)
			unlink_layer(family, layer);
		layer->next = unused;
		unused = layer;
		layer = parent;
	}
	return unused;
}

void family_put(struct family *family, struct layer *layer)
{
	struct layer *unused;

	pthread_mutex_lock(&family->lock);
	unused = take_out(family, layer);
	pthread_mutex_unlock(&family->lock);
	while (unused) {
		layer = unused;
		unused = layer->next;
		family_layer_free(layer);
	}
}

/* The open layer of that file, with a reference; null for none. */
static struct layer *get_open(struct family *family, dev_t dev, ino_t ino)
{
	struct layer *l;

	pthread_mutex_lock(&family->lock);
	for (l = family->layers; l; l = l->next)
		if (!l->outdated && is_file(l, dev, ino))
			break;
	if (l)
		l->refs++;
	pthread_mutex_unlock(&family->lock);
	return l;
}

/* The file is another one's by now: no chain reads through it any more. */
static void mark_replaced(struct family *family, struct layer *layer)
{
	pthread_mutex_lock(&family->lock);
	layer->outdated = true;
	for (struct layer *l = family->layers; l; l = l->next)
		for (struct layer *up = l; up; up = up->parent)
			if (up == layer)
				atomic_store(&l->replaced, true);
	pthread_mutex_unlock(&family->lock);
}

static void mark_outdated(struct family *family, struct layer *layer)
{
	pthread_mutex_lock(&family->lock);
	layer->outdated = true;
	pthread_mutex_unlock(&family->lock);
}

int family_file_holds(const struct image *open)
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
static bool layer_is_current(struct family *family, struct layer *layer)
{
	struct file_stamp now;
	int r;

	if (atomic_load(&layer->replaced))
		return false;
	if (io_file_stamp(layer->img->io, &now) < 0)
		return true;
	pthread_mutex_lock(&family->lock);
	r = file_stamp_same(&layer->stamp, &now);
	pthread_mutex_unlock(&family->lock);
	if (r)
		return true;
	r = family_file_holds(layer->img);
	if (r == 0)
		mark_replaced(family, layer);
	else if (r > 0 && file_stamp_same_data(&layer->stamp, &now)) {
		pthread_mutex_lock(&family->lock);
		layer->stamp = now;
		pthread_mutex_unlock(&family->lock);
		return true;
	}
	mark_outdated(family, layer);
	return false;
}

/* The same of it and all its parents. */
static bool is_current(struct family *family, struct layer *layer)
{
	bool current = true;

	for (struct layer *l = layer; l; l = l->parent)
		current &= layer_is_current(family, l);
	if (!current)
		mark_outdated(family, layer);
	return current;
}

bool family_is_current(struct family *family, struct layer *layer)
{
	return !layer || is_current(family, layer);
}

void family_file_changed(struct family *family, dev_t dev, ino_t ino)
{
	struct layer *layer = get_open(family, dev, ino);

	if (!layer)
		return;
	is_current(family, layer);
	family_put(family, layer);
}

struct layer *family_share(struct family *family, struct layer *layer)
{
	struct layer *first =
		get_open(family, layer->img->io->dev, layer->img->io->ino);

	if (first && is_current(family, first)) {
		family_put(family, layer);
		return first;
	}
	family_put(family, first);
	pthread_mutex_lock(&family->lock);
	layer->shared = true;
	layer->next = family->layers;
	family->layers = layer;
	pthread_mutex_unlock(&family->lock);
	return layer;
}

struct layer *family_get_current(struct family *family, const struct io *io)
{
	struct layer *layer = get_open(family, io->dev, io->ino);

	if (layer && !is_current(family, layer)) {
		family_put(family, layer);
		return NULL;
	}
	return layer;
}
