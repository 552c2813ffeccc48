/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store: opening and closing, lookup, stat and listing. */
#include "config.h"

#include "store/store.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "chain/chain.h"
#include "io/recovery.h"
#include "io/rootdir.h"
#include "store/catalog.h"
#include "store/dir.h"
#include "store/examiners.h"
#include "store/image-names.h"
#include "store/image-stat.h"
#include "store/refresh.h"
#include "store/resolve-path.h"
#include "store/store-internal.h"
#include "store/view-internal.h"
#include "store/view.h"
#include "store/watch.h"

static int open_rootdirs(struct store *store,
			 const struct store_options *options)
{
	store->roots = calloc(options->n_parents + 1, sizeof *store->roots);
	if (!store->roots)
		return fail(-ENOMEM, "out of memory");
	for (size_t i = 0; i <= options->n_parents; i++) {
		int r = root_dir_init(&store->roots[i],
				      i ? options->parents[i - 1]
					: options->path);

		if (r < 0)
			return r;
		store->n_roots++;
	}
	return parent_cache_new(store->roots, store->n_roots, &store->cache);
}

static int read_all(struct store *store)
{
	int r;

	pthread_mutex_lock(&store->lock);
	r = dir_add_locked(store, "", "", 0, false);
	if (r == 0)
		store_refresh_locked(store);
	pthread_mutex_unlock(&store->lock);
	return r < 0 ? fail_errno(r, "%s", store->roots[0].path) : 0;
}

int store_open(const struct store_options *options, struct store **ret)
{
	struct store *store = calloc(1, sizeof *store);
	int r;

	if (!store)
		return fail(-ENOMEM, "out of memory");
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->examined, NULL);
	TAILQ_INIT(&store->queue);
	store->inotify = -1;
	store->read_only = options->read_only;
	r = open_rootdirs(store, options);
	if (r == 0)
		watch_init(store);
	if (r == 0 && !store->read_only)
		r = reserve_init(&store->reserve, store->roots[0].fd,
				 store->roots[0].path, options->reserve);
	if (r == 0)
		r = read_all(store);
	if (r < 0) {
		_cleanup_(error_set) struct error why = *error_last();

		store_close(store);
		return r;
	}
	*ret = store;
	return 0;
}

uint64_t store_reserve(const struct store *store)
{
	return store->reserve.size;
}

/* Closes and frees every image.  store->lock is not held over the I/O of a
 * close. */
static void close_images(struct store *store)
{
	while (store->images) {
		struct store_image *image =
			*(struct store_image **)store->images;

		if (view_close_chain(image) < 0)
			log_error("%s", error_text());
		pthread_mutex_lock(&store->lock);
		image->refs = 0;
		image->opens = 0;
		image->names = NULL;
		catalog_release_locked(image);
		pthread_mutex_unlock(&store->lock);
	}
}

/* Ends the examiners and forgets all directories.  A reference to each image
 * keeps it for close_images. */
static void close_dirs(struct store *store)
{
	struct dir_entry *e;

	pthread_mutex_lock(&store->lock);
	for (struct dir *dir = store->dirs; dir; dir = dir->next)
		TAILQ_FOREACH(e, &dir->entries, link)
			if (e->image)
				e->image->refs++;
	examiners_stop_locked(store);
	dir_free_all(store);
	pthread_mutex_unlock(&store->lock);
}

int store_close(struct store *store)
{
	int r;

	close_dirs(store);
	close_images(store);
	r = atomic_load(&store->data_lost) || recovery_is_lost() ? -EIO : 0;
	tdestroy(store->changed_names, free);
	tdestroy(store->logged_errors, free);
	if (store->inotify >= 0)
		close(store->inotify);
	if (store->cache)
		parent_cache_free(store->cache);
	for (size_t i = 0; i < store->n_roots; i++)
		root_dir_fini(&store->roots[i]);
	free(store->roots);
	reserve_fini(&store->reserve);
	pthread_cond_destroy(&store->examined);
	pthread_mutex_destroy(&store->lock);
	free(store);
	return r;
}

const char *store_root(const struct store *store)
{
	return store->roots[0].path;
}

/* An image that has no name in the store any more, but is open. */
static int stat_removed(struct store_image *image, struct stat *ret_st)
{
	struct stat st;
	int r = view_fstat(image, &st);

	if (r < 0)
		return r;
	pthread_mutex_lock(&image->store->lock);
	image_stat_shape_locked(image, &st);
	pthread_mutex_unlock(&image->store->lock);
	*ret_st = st;
	return 0;
}

int store_stat_image(struct store_image *image, struct stat *ret_st)
{
	struct store *store = image->store;
	int r;

	view_reopen_if_changed(image);
	pthread_mutex_lock(&store->lock);
	store_refresh_locked(store);
	r = image_stat_locked(image, ret_st);
	pthread_mutex_unlock(&store->lock);
	return r == -ESTALE ? stat_removed(image, ret_st) : r;
}

/* The directory at path, read; null: none. */
static struct dir *open_dir_locked(struct store *store, const char *path)
{
	struct dir *dir = dir_find_locked(store, path);

	if (!dir || dir->reading)
		return dir;
	/* Behind several links a directory is read on its first request. */
	dir_read_locked(store, dir);
	return dir_find_locked(store, path);
}

int store_stat_dir(struct store *store, const char *path, struct stat *ret_st)
{
	struct dir *dir;
	int r = -ESTALE;

	pthread_mutex_lock(&store->lock);
	store_refresh_locked(store);
	dir = dir_find_locked(store, path);
	if (dir)
		r = fstat(dir->fd, ret_st) < 0 ? -errno : 0;
	pthread_mutex_unlock(&store->lock);
	return r;
}

/* Refreshes the names that the mount may show as name, then examines. */
static int refresh_name_locked(struct store *store, const char *path,
			       const char *name)
{
	struct dir *dir = open_dir_locked(store, path);
	size_t len;
	int r = 0;

	if (dir && name_is_view(name, &len)) {
		_cleanup_free_ char *image = strndup(name, len);

		r = image ? dir_refresh_name_locked(store, dir, image)
			  : -ENOMEM;
	}
	if (dir && r == 0)
		r = dir_refresh_name_locked(store, dir, name);
	if (r < 0)
		return r;
	dir_read_stale_locked(store);
	examiners_run_locked(store);
	return 0;
}

/* The entry that the mount shows as name; null: none. */
static struct dir_entry *find_shown_locked(struct store *store,
					   const char *path, const char *name)
{
	/* The directory may be behind a link that has another target now. */
	struct dir *dir = dir_find_locked(store, path);
	struct dir_entry *entry = NULL;
	size_t len;

	if (!dir)
		return NULL;
	if (name_is_view(name, &len))
		entry = dir_find_entry_locked(dir, name, len);
	if (!entry || !entry->image) {
		entry = dir_find_entry_locked(dir, name, strlen(name));
		if (entry && entry->kind != ENTRY_DIR)
			entry = NULL;
	}
	return entry && dir_shows_locked(entry) ? entry : NULL;
}

static int lookup_locked(struct store *store, const char *path,
			 const char *name, struct stat *ret_st,
			 struct store_image **ret_image)
{
	struct store_image *image;
	struct dir_entry *entry;
	int r = refresh_name_locked(store, path, name);

	if (r < 0)
		return r;
	entry = find_shown_locked(store, path, name);
	if (!entry)
		return -ENOENT;
	image = entry->image;
	if (!image)
		return resolve_stat(store, entry, ret_st);
	image->refs++;
	r = image_stat_locked(image, ret_st);
	if (r < 0) {
		image->refs--;
		catalog_release_locked(image);
		return r;
	}
	*ret_image = image;
	return 0;
}

int store_lookup(struct store *store, const char *path, const char *name,
		 struct stat *ret_st, struct store_image **ret_image)
{
	int r;

	*ret_image = NULL;
	pthread_mutex_lock(&store->lock);
	store_refresh_locked(store);
	r = lookup_locked(store, path, name, ret_st, ret_image);
	pthread_mutex_unlock(&store->lock);
	if (r == 0 && *ret_image)
		view_reopen_if_changed(*ret_image);
	return r;
}

static void list_locked(struct dir *dir, uint64_t after, store_each *each,
			void *arg)
{
	struct dir_entry *e;

	TAILQ_FOREACH(e, &dir->entries, link) {
		struct stat st = { .st_ino = e->image ? e->image->disk.ino
						      : e->id.ino };
		char name[NAME_MAX + 8];

		if (e->cookie <= after || !dir_shows_locked(e))
			continue;
		st.st_mode = e->image ? S_IFREG : S_IFDIR;
		snprintf(name, sizeof name, "%s%s", e->name,
			 e->image ? NAME_VIEW_SUFFIX : "");
		if (!each(arg, name, &st, e->cookie))
			return;
	}
}

int store_list(struct store *store, const char *path, uint64_t after,
	       store_each *each, void *arg)
{
	struct dir *dir;

	pthread_mutex_lock(&store->lock);
	store_refresh_locked(store);
	dir = open_dir_locked(store, path);
	if (dir && !after) {
		dir_refresh_links_locked(store, dir);
		dir_read_stale_locked(store);
		dir = dir_find_locked(store, path);
	}
	if (dir)
		list_locked(dir, after, each, arg);
	pthread_mutex_unlock(&store->lock);
	return dir ? 0 : -ENOENT;
}

void store_image_put(struct store_image *image)
{
	struct store *store = image->store;

	pthread_mutex_lock(&store->lock);
	image->refs--;
	catalog_release_locked(image);
	pthread_mutex_unlock(&store->lock);
}

char *store_image_name(struct store_image *image)
{
	char *name;

	pthread_mutex_lock(&image->store->lock);
	name = strdup(catalog_path_locked(image));
	pthread_mutex_unlock(&image->store->lock);
	return name;
}

int store_statvfs(struct store *store, struct statvfs *ret)
{
	return fstatvfs(store->roots[0].fd, ret) < 0 ? -errno : 0;
}
