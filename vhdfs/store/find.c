/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Searches: images by their file, children of an image, directories by a
 * predicate, open images. */
#include "config.h"

#include "store/store.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/guid.h"
#include "base/log.h"
#include "store/ancestry.h"
#include "store/catalog.h"
#include "store/refresh.h"
#include "store/watch-events.h"
#include "store/store-internal.h"
#include "store/view.h"

struct file_id store_image_disk(const struct store_image *image)
{
	return image->disk;
}

struct search {
	store_matches *matches;
	const void *what;
	struct store_image *found;
};

static void match_image(struct store_image *image, void *ctx)
{
	struct search *s = ctx;

	if (!s->found && s->matches(s->what, image, NULL))
		s->found = image;
}

void store_find(struct store *store, store_matches *matches, const void *what,
		struct store_image **ret_image, char **ret_path)
{
	struct search s = { .matches = matches, .what = what };

	*ret_path = NULL;
	pthread_mutex_lock(&store->lock);
	store_refresh_locked(store);
	catalog_each_locked(store, match_image, &s);
	if (s.found)
		s.found->refs++;
	for (struct dir *dir = store->dirs; dir && !s.found && !*ret_path;
	     dir = dir->next)
		if (matches(what, NULL, dir->path))
			*ret_path = strdup(dir->path);
	pthread_mutex_unlock(&store->lock);
	*ret_image = s.found;
}

struct store_image *store_image_of_file(struct store *store, dev_t dev,
					ino_t ino)
{
	struct store_image *image;

	pthread_mutex_lock(&store->lock);
	image = catalog_get_locked(store, &(struct file_id){ dev, ino });
	if (image)
		image->refs++;
	pthread_mutex_unlock(&store->lock);
	return image;
}

/* A search for a child of the image parent. */
struct child_search {
	const struct store_image *parent;
	enum store_child_kind kin;
	const struct file_id *elsewhere; /* than this directory; null: any */
	const struct dir_entry *found;   /* the first one */
	/* Called for each, unless null. */
	void (*each)(void *arg, const char *path);
	void *arg;
};

/* Does image name the identifier of parent as that of its parent? */
static bool names_parent_id(const struct store_image *image,
			    const struct store_image *parent)
{
	const struct guid *ids = image->info.parent_ids;

	return !guid_is_null(&parent->info.id) &&
	       (guid_equal(&ids[0], &parent->info.id) ||
		guid_equal(&ids[1], &parent->info.id));
}

/* Is the parent of the image unknown, or not examined yet? */
static bool parent_is_unknown(const struct store_image *image)
{
	const struct image_info *info = &image->info;

	/* No other program can change the parent of an image that is open here
	 * for writing, and is not examined. */
	if (image->known && image->write_opens)
		return info->parent_unknown;
	return !image->known || image->stale || image->examining ||
	       info->parent_unknown || (info->error && !info->format);
}

static bool may_share_format(const struct store_image *a,
			     const struct store_image *b)
{
	return !a->info.format || !b->info.format ||
	       !strcmp(a->info.format, b->info.format);
}

/* A name of the image in another directory; or one that leads to such a
 * directory, which the store does not show.  Null: none. */
static const struct dir_entry *name_elsewhere(const struct store_image *image,
					      const struct file_id *directory)
{
	const struct dir_entry *link = NULL;
	bool here = false;

	for (const struct dir_entry *e = image->names; e; e = e->next_name) {
		if (e->is_link)
			link = e;
		else if (!file_id_equal(e->dir->id, *directory))
			return e;
		else
			here = true;
	}
	return here ? NULL : link;
}

static bool is_child(const struct child_search *s,
		     const struct store_image *image)
{
	const struct store_image *parent;

	if (image == s->parent)
		return false;
	parent = ancestry_parent_locked(image);
	if (parent == s->parent ||
	    (!parent && names_parent_id(image, s->parent)))
		return true;
	return s->kin == STORE_POSSIBLE_CHILDREN && parent_is_unknown(image) &&
	       may_share_format(image, s->parent);
}

static void match_child(struct store_image *image, void *ctx)
{
	struct child_search *s = ctx;
	const struct dir_entry *name =
		s->elsewhere ? name_elsewhere(image, s->elsewhere)
			     : image->names;

	if ((s->found && !s->each) || !name || !is_child(s, image))
		return;
	s->found = name;
	if (s->each)
		s->each(s->arg, name->real);
}

static void search_locked(struct store *store, const struct file_id *parent,
			  struct child_search *s)
{
	store_refresh_locked(store);
	s->parent = catalog_find_locked(store, parent);
	if (s->parent)
		catalog_each_locked(store, match_child, s);
}

static int find_child(struct store *store, const struct file_id *parent,
		      struct child_search *s, char **ret)
{
	int r = 0;

	*ret = NULL;
	pthread_mutex_lock(&store->lock);
	search_locked(store, parent, s);
	/* It may have been removed, or rebased, since the last look. */
	if (s->found && watch_poll_locked(store)) {
		s->found = NULL;
		search_locked(store, parent, s);
	}
	if (s->found && !(*ret = strdup(s->found->real)))
		r = fail(-ENOMEM, "out of memory");
	pthread_mutex_unlock(&store->lock);
	return r;
}

int store_find_child(struct store *store, dev_t dev, ino_t ino,
		     enum store_child_kind kin, char **ret)
{
	const struct file_id parent = { dev, ino };
	struct child_search s = { .kin = kin };

	return find_child(store, &parent, &s, ret);
}

int store_find_child_elsewhere(struct store *store, struct file_id parent,
			       struct file_id directory,
			       enum store_child_kind kin, char **ret)
{
	struct child_search s = { .kin = kin, .elsewhere = &directory };

	return find_child(store, &parent, &s, ret);
}

void store_each_child(struct store *store, dev_t dev, ino_t ino,
		      enum store_child_kind kin,
		      void (*each)(void *arg, const char *path), void *arg)
{
	const struct file_id parent = { dev, ino };
	struct child_search s = { .kin = kin, .each = each, .arg = arg };

	pthread_mutex_lock(&store->lock);
	search_locked(store, &parent, &s);
	pthread_mutex_unlock(&store->lock);
}

/* Adds an open image to the list *ctx, with a reference. */
static void add_if_open(struct store_image *image, void *ctx)
{
	struct store_image **list = ctx;

	if (!image->opens)
		return;
	image->refs++;
	image->flush_next = *list;
	*list = image;
}

int store_flush(struct store *store)
{
	struct store_image *list = NULL;
	int r = 0;

	pthread_mutex_lock(&store->lock);
	catalog_each_locked(store, add_if_open, &list);
	pthread_mutex_unlock(&store->lock);
	while (list) {
		struct store_image *image = list;
		int rc = view_flush(image);

		if (rc < 0) {
			log_error("%s", error_text());
			r = rc;
		}
		list = image->flush_next;
		store_image_put(image);
	}
	return r;
}
