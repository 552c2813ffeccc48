/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalog: what each image of the store is, by its file and its parents',
 * and so which images are parents.
 *
 * What was read of an image is read again when its file has changed, when a
 * name came or went by which its parent is searched, when one of its parents
 * is read again, and, while it cannot be opened, whenever anything changes.
 * What cannot be read for no fault of its own is tried again when somebody asks
 * for it, but no more than a tenth of the time goes into that.
 *
 * An image that is open here for writing is left alone until it is closed: its
 * file changes under our own hands, and the chain that is open knows better.
 */
#include "config.h"

#include "store/inside.h"

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
#include "format/raw.h"
#include "io/io-file.h"
#include "store/names.h"

enum { NSEC = 1000000000, WAIT_FACTOR = 9 };

/* What cannot be read is to be seen as such without memory for words, too. */
static char no_memory[] = "out of memory";

void info_fini(struct info *info)
{
	free(info->parent);
	free(info->warning);
	if (info->error != no_memory)
		free(info->error);
	free(info->readonly);
	free(info->wanted[0]);
	free(info->wanted[1]);
	free(info->ancestors);
	memset(info, 0, sizeof *info);
}

/* Lets go of all that was found but why it is broken. */
static void info_fini_but_error(struct info *info)
{
	char *error = steal(info->error);

	info_fini(info);
	info->error = error;
}

static int by_id(const void *a, const void *b)
{
	const struct store_image *x = a, *y = b;

	if (x->id.ino != y->id.ino)
		return x->id.ino < y->id.ino ? -1 : 1;
	return (x->id.dev > y->id.dev) - (x->id.dev < y->id.dev);
}

static struct store_image *find(const struct store *store,
				const struct file_id *id)
{
	struct store_image key = { .id = *id };
	struct store_image **found = tfind(&key, &store->images, by_id);

	return found ? *found : NULL;
}

/* Who changes the chain must not wait for ever for those who use it. */
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
	struct store_image *image = find(store, id);

	if (image)
		return image;
	image = calloc(1, sizeof *image);
	if (!image)
		return NULL;
	image->store = store;
	image->id = *id;
	image->stale = true;
	pthread_mutex_init(&image->open_lock, NULL);
	init_io_lock(&image->io_lock);
	if (!tsearch(image, &store->images, by_id)) {
		free(image);
		return NULL;
	}
	return image;
}

void catalog_release_locked(struct store *store, struct store_image *image)
{
	if (image->names || image->refs || image->opens)
		return;
	tdelete(image, &store->images, by_id);
	store->changed = true;
	info_fini(&image->info);
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
	/* Without memory: read all of them again. */
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

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

void catalog_compare_locked(struct store *store, struct store_image *image,
			    const struct stat *st)
{
	if (image->writing)
		return;
	if (image->known && (!image->try_at || now() < image->try_at) &&
	    st->st_size == image->seen.st_size &&
	    same_time(&st->st_mtim, &image->seen.st_mtim) &&
	    same_time(&st->st_ctim, &image->seen.st_ctim))
		return;
	image->stale = true;
	store->changed = true;
}

bool catalog_fs_writable_locked(const struct store *store,
				const struct store_image *image)
{
	/* An immutable file answers EPERM. */
	return !image->names ||
	       faccessat(store->places[0].fd, image->names->real, W_OK,
			 AT_EACCESS) == 0 ||
	       (errno != EROFS && errno != EPERM);
}

bool catalog_writable_locked(const struct store *store,
			     const struct store_image *image,
			     const struct stat *st)
{
	return !store->read_only && !image->children && !image->info.readonly &&
	       (st->st_mode & 0222) && catalog_fs_writable_locked(store, image);
}

static void keep_words(struct info *info, const char *text)
{
	info->error = strdup(text);
	if (!info->error)
		info->error = no_memory;
}

static int copy_text(const char *text, char **ret)
{
	*ret = strdup(text);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

static int fold_text(const char *text, char **ret)
{
	*ret = name_fold(text);
	return *ret ? 0 : fail(-ENOMEM, "out of memory");
}

/* What the leaf itself says. */
static int take_leaf(struct image *leaf, struct info *info,
		     struct parent_ref *ret_ref)
{
	int r;

	info->format = leaf->ops->name;
	info->type = image_type_name(leaf->type);
	info->id = leaf->id;
	if (leaf->type != IMAGE_DIFFERENCING)
		return 0;
	r = image_parent(leaf, ret_ref);
	if (r < 0)
		return r;
	if (ret_ref->relative)
		r = fold_text(name_last(ret_ref->relative), &info->wanted[0]);
	if (r == 0 && ret_ref->basename)
		r = fold_text(ret_ref->basename, &info->wanted[1]);
	return r;
}

static int add_ancestor(struct info *info, dev_t dev, ino_t ino)
{
	struct file_id *all = reallocarray(info->ancestors,
					   info->n_ancestors + 1, sizeof *all);

	if (!all)
		return fail(-ENOMEM, "out of memory");
	all[info->n_ancestors++] = (struct file_id){ dev, ino };
	info->ancestors = all;
	return 0;
}

/* Where the leaf can be read but not written, why. */
static int take_readonly_reason(struct image *leaf, struct info *info)
{
	int r = image_may_write(leaf);

	if (r == 0 || error_is_passing(r))
		return r;
	return copy_text(error_text(), &info->readonly);
}

static int take_chain(struct chain *chain, struct info *info)
{
	struct parent_ref ref = { 0 };
	int r = take_leaf(chain_leaf(chain), info, &ref);

	parent_ref_fini(&ref);
	if (r == 0)
		r = take_readonly_reason(chain_leaf(chain), info);
	info->size = chain_size(chain);
	info->depth = chain_depth(chain);
	for (unsigned i = 1; r == 0 && i <= info->depth; i++) {
		const struct io *io = chain_image(chain, i)->io;

		r = add_ancestor(info, io->dev, io->ino);
	}
	for (unsigned i = 0; r == 0 && i < info->depth && !info->warning; i++)
		r = chain_warning(chain, i, &info->warning);
	if (r == 0 && info->depth)
		r = copy_text(chain_path(chain, 1), &info->parent);
	return r;
}

void catalog_take_open(struct store *store, struct store_image *image)
{
	struct info info = { 0 };

	pthread_mutex_lock(&store->lock);
	if ((!image->names || !image->known || image->info.error) &&
	    take_chain(image->chain, &info) == 0) {
		info_fini(&image->info);
		image->info = info;
		store->changed = true;
	} else {
		info_fini(&info);
	}
	pthread_mutex_unlock(&store->lock);
}

/*
 * What can be told of an image whose chain does not open.  Its parent stays a
 * parent though a grandparent is missing.
 */
static void take_broken(struct store *store, const char *path,
			struct info *info)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	struct parent_ref ref = { 0 };
	const struct image_ops *format;
	struct image *leaf;
	dev_t dev;
	ino_t ino;

	/* What was found before the failure is found once more. */
	info_fini_but_error(info);
	if (place_open(&store->places[0], path, false, &io, NULL) < 0)
		return;
	if (image_format_probe(io, &format) < 0 || format == &raw_ops)
		return;
	info->format = format->name;
	if (image_open(io, format, &leaf) < 0)
		return;
	steal(io);
	if (take_leaf(leaf, info, &ref) == 0 &&
	    leaf->type == IMAGE_DIFFERENCING &&
	    family_find_parent(store->family, path, &ref, &info->parent, &dev,
			       &ino) == 0)
		add_ancestor(info, dev, ino);
	parent_ref_fini(&ref);
	image_close(leaf);
}

/* By the name under which it opens, of several. */
static int read_by_name(struct store *store, const char *path, struct info *ret)
{
	struct info info = { 0 };
	struct chain *chain;
	int r = chain_open(store->family, path, CHAIN_NO_LOCK, &chain);

	if (r == 0) {
		r = take_chain(chain, &info);
		chain_close(chain);
	}
	if (r < 0) {
		keep_words(&info, error_text());
		take_broken(store, path, &info);
	}
	*ret = info;
	return r;
}

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

static void log_change(struct store *store, const struct info *old,
		       const struct info *new)
{
	log_text(store, old->error, new->error);
	log_text(store, old->readonly, new->readonly);
}

/*
 * Nothing new is known of who its parents are: what was known goes on to count,
 * for they must not be written.
 */
static void keep_ancestors(struct info *old, struct info *new)
{
	if (new->n_ancestors)
		return;
	free(new->ancestors);
	new->ancestors = steal(old->ancestors);
	new->n_ancestors = old->n_ancestors;
	for (int i = 0; i < 2; i++)
		if (!new->wanted[i])
			new->wanted[i] = steal(old->wanted[i]);
}

/* Does somebody else have the file, who may be writing it?  Then that is what
 * is wrong with it. */
static bool is_held(const struct store *store, const char *path,
		    struct info *info)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	char who[80];

	if (place_open(&store->places[0], path, false, &io, NULL) < 0 ||
	    io_file_in_use(io, who, sizeof who) <= 0)
		return false;
	fail(-EBUSY, "%s: the image is in use%s%s", path, *who ? " by " : "",
	     who);
	if (info->error != no_memory)
		free(info->error);
	keep_words(info, error_text());
	return true;
}

/* As read_by_name; -EBUSY where what was read means nothing, for it changes
 * while it is read; -ENOENT where there is no file. */
static int read_names(struct store *store, struct store_image *image,
		      struct info *ret, struct stat *ret_st)
{
	bool found = false, held = false;
	int r = -1;

	for (struct dir_entry *e = image->names; e && r < 0; e = e->next_name) {
		/* Before it is read: a change meanwhile shows later. */
		if (entry_stat(store, e, ret_st) < 0)
			continue;
		info_fini(ret);
		r = read_by_name(store, e->real, ret);
		found = true;
		held = r < 0 && !error_is_passing(r) && !image->opens &&
		       is_held(store, e->real, ret);
	}
	if (!found)
		return -ENOENT;
	return held ? -EBUSY : r;
}

static void read_image(struct store *store, struct store_image *image)
{
	int64_t began = now();
	struct info info = { 0 };
	struct stat st;
	int r = read_names(store, image, &info, &st);
	bool gone = !info.error && r == -ENOENT;

	image->unsettled = r == -EBUSY;
	store->unsettled |= image->unsettled;
	image->try_at = gone ? began : 0;
	/* What is known of it is still so, and it is looked at again. */
	if (gone || (image->unsettled && image->known)) {
		info_fini(&info);
		return;
	}
	if (r < 0 && error_is_passing(r)) {
		keep_ancestors(&image->info, &info);
		image->try_at = now() + WAIT_FACTOR * (now() - began);
	}
	if (!image->unsettled) {
		log_change(store, &image->info, &info);
		log_warning(&image->info, &info);
	}
	info_fini(&image->info);
	image->info = info;
	image->seen = st;
	image->known = !image->unsettled;
	image->stale = image->unsettled;
	family_file_changed(store->family, image->id.dev, image->id.ino);
}

/* Walking the tree of images. */

typedef void image_visitor(struct store *store, struct store_image *image);

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

static void each_image(struct store *store, image_visitor *visit)
{
	struct walk walk = { store, visit };

	twalk_r(store->images, walk_node, &walk);
}

static bool is_changed_name(const struct store *store, const char *name)
{
	return name && tfind(name, &store->changed_names, by_text);
}

static void mark_if_concerned(struct store *store, struct store_image *image)
{
	const struct info *info = &image->info;

	image->stale |= info->error ||
			is_changed_name(store, info->wanted[0]) ||
			is_changed_name(store, info->wanted[1]) ||
			(store->dirs_changed && info->n_ancestors);
}

static void mark_if_below(struct store *store, struct store_image *image)
{
	for (size_t i = 0; i < image->info.n_ancestors && !image->stale; i++) {
		struct store_image *up = find(store, &image->info.ancestors[i]);

		image->stale = up && up->stale;
	}
}

static void read_if_stale(struct store *store, struct store_image *image)
{
	if (image->stale && !image->writing && image->names)
		read_image(store, image);
}

static void forget_children(struct store *store, struct store_image *image)
{
	(void)store;
	image->children = 0;
}

static void count_as_child(struct store *store, struct store_image *image)
{
	if (!image->names)
		return;
	for (size_t i = 0; i < image->info.n_ancestors; i++) {
		struct store_image *up = find(store, &image->info.ancestors[i]);

		if (up)
			up->children++;
	}
}

void catalog_update_locked(struct store *store)
{
	if (!store->changed && !store->dirs_changed)
		return;
	each_image(store, mark_if_concerned);
	each_image(store, mark_if_below);
	store->unsettled = false;
	each_image(store, read_if_stale);
	each_image(store, forget_children);
	each_image(store, count_as_child);
	store->changed = store->unsettled;
	store->dirs_changed = false;
	tdestroy(store->changed_names, free);
	store->changed_names = NULL;
	tdestroy(store->logged, free);
	store->logged = NULL;
}
