/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding parents, and checking that they are the right ones.
 *
 * WHERE.  In this order: the child's relative path, from the directory that
 * the child really lies in; the base name beside the child; the base name in
 * the further places.  Each as spelled, then in any case and normal form, as
 * NTFS compares names.  A candidate counts only when its identity is the one
 * that the child names, so the search goes on past a stranger of the same name;
 * what it then says is why the last stranger was none.
 */
#include "config.h"

#include "chain/parent-cache.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chain/map-cache.h"
#include "format/registry.h"
#include "io/recovery.h"
#include "io/io-file.h"
#include "io/rootdir.h"

/* The images from the leaf down to where we are, to see a cycle. */
struct trail {
	const struct trail *child;
	const struct image *img;
	unsigned length;
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

const struct root_dir *parent_cache_store(const struct parent_cache *cache)
{
	return &cache->roots[0];
}

void found_parent_fini(struct found_parent *found)
{
	if (found->io)
		io_close(found->io);
	free(found->real);
	memset(found, 0, sizeof *found);
}

/*
 * Is img the parent that ref names?  Its disk may be of another size than the
 * child's: Hyper-V and Xen resize children.
 */
static int check_identity(const struct image *img, const struct parent_ref *ref,
			  const char *child, uint32_t child_sector)
{
	char want[GUID_TEXT_SIZE], have[GUID_TEXT_SIZE];

	if (!guid_equal(&img->id, &ref->id) &&
	    (guid_is_null(&ref->id2) || !guid_equal(&img->id, &ref->id2))) {
		fail_found(-ESTALE, child, "parent locator", ref->file_off,
			   words("a parent with the identifier %s",
				 guid_format(&ref->id, want)),
			   "%s with %s", img->io->name,
			   guid_format(&img->id, have));
		error_advise("the parent was changed or is another image; "
			     "restore the one the child was made from");
		return -ESTALE;
	}
	if (child_sector && img->sector_size != child_sector)
		return fail_found(
			-ESTALE, child, "parent locator", ref->file_off,
			words("sectors of %u bytes, as the child's",
			      child_sector),
			"%s with %u bytes", img->io->name, img->sector_size);
	return 0;
}

/* A search: for whom, and the best reason so far why it found nothing. */
struct search {
	struct parent_cache *cache;
	const char *child; /* name in messages */
	const char *dir;   /* that the child really lies in, "" or "a/b/" */
	size_t rootdir;
	const struct parent_ref *ref;
	uint32_t sector_size;
	struct error why; /* code 0: nothing was there at all */
};

/* Messages are to show where the file is, not the way there. */
static int name_it(struct io *io, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return fail(-ENOMEM, "out of memory");
	free(io->name);
	io->name = copy;
	return 0;
}

/* A stranger tells more than a name that is not there; and where something
 * could not be looked at, nothing else that was found is the answer. */
static void keep_reason(struct search *s, int r)
{
	int have = s->why.code;

	if (!have || (error_is_passing(r) && !error_is_passing(have)) ||
	    (r != -ENOENT && have == -ENOENT))
		s->why = *error_last();
}

static int open_found(struct search *s, size_t rootdir, const char *path,
		      struct found_parent *ret)
{
	int r;

	found_parent_fini(ret);
	ret->rootdir = rootdir;
	r = root_dir_open(&s->cache->roots[rootdir], path, false, &ret->io,
			  &ret->real);
	return r < 0 ? r : name_it(ret->io, ret->real);
}

/* Opens one candidate for a look, and again when it is the parent: 0 then. What
 * is opened may be another file by then, so who takes it looks once more. */
static int try_path(struct search *s, size_t rootdir, const char *path,
		    struct found_parent *ret)
{
	struct image *img;
	struct found_parent found = { 0 };
	int r = open_found(s, rootdir, path, &found);

	if (r == 0) {
		r = image_open(found.io, NULL, &img);
		if (r == 0) {
			found.io = NULL;
			r = check_identity(img, s->ref, s->child,
					   s->sector_size);
			image_close(img);
		}
	}
	if (r == 0)
		r = open_found(s, rootdir, path, &found);
	if (r < 0) {
		keep_reason(s, r);
		found_parent_fini(&found);
		return r;
	}
	*ret = found;
	return 0;
}

/* dir/name in a place, as spelled and then in any case. */
static int try_name(struct search *s, size_t rootdir, const char *dir,
		    const char *name, struct found_parent *ret)
{
	char path[PATH_MAX];
	_cleanup_free_ char *other = NULL;
	int n = snprintf(path, sizeof path, "%s%s", dir, name);
	int r;

	/* What claims to be relative and is not leads nowhere. */
	if (*name == '/' || (size_t)n >= sizeof path)
		return -ENOENT;
	r = try_path(s, rootdir, path, ret);
	if (r != -ENOENT)
		return r;
	r = root_dir_any_case(&s->cache->roots[rootdir], path, &other);
	if (r == 0 && strcmp(other, path))
		return try_path(s, rootdir, other, ret);
	if (error_is_passing(r))
		keep_reason(s, fail_errno(r, "%s", path));
	return r < 0 ? r : -ENOENT;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* By base name: beside the child, then in the further places. */
static int try_basename(struct search *s, const char *name,
			struct found_parent *ret)
{
	int r = try_name(s, s->rootdir, s->dir, name, ret);

	for (size_t i = 1; r < 0 && i < s->cache->n_roots; i++)
		r = try_name(s, i, "", name, ret);
	return r;
}

static int nowhere(const struct search *s)
{
	const struct parent_ref *ref = s->ref;
	const struct root_dir *rootdir = &s->cache->roots[s->rootdir];

	if (s->why.code == -EXDEV)
		return fail(-ENOENT, "%s: its parent %s lies outside %s",
			    s->child, ref->relative ? ref->relative : "",
			    rootdir->path);
	if (s->why.code && s->why.code != -ENOENT) {
		error_set(&s->why);
		return s->why.code == -ESTALE || s->why.code == -EBADMSG ||
				       s->why.code == -EOPNOTSUPP ||
				       error_is_passing(s->why.code)
			       ? s->why.code
			       : -ENOENT;
	}
	return fail(-ENOENT,
		    "%s: its parent %s is missing%s%s; put it where the child "
		    "names it or beside the child, or name its directory with "
		    "--parents DIR (vhdfs: -o parents=DIR)",
		    s->child,
		    ref->relative   ? ref->relative
		    : ref->basename ? ref->basename
				    : "(the child gives no path)",
		    rootdir->confined ? " in " : "",
		    rootdir->confined ? rootdir->path : "");
}

static int find_parent(struct search *s, struct found_parent *ret)
{
	const struct parent_ref *ref = s->ref;
	int r = -ENOENT;

	if (ref->relative)
		r = try_name(s, s->rootdir, s->dir, ref->relative, ret);
	if (r < 0 && ref->relative)
		r = try_basename(s, last_part(ref->relative), ret);
	if (r < 0 && ref->basename)
		r = try_basename(s, ref->basename, ret);
	return r < 0 ? nowhere(s) : 0;
}

/* The directory part of path with its slash, "" for none; in buf. */
static const char *dir_of(const char *path, char *buf, size_t size)
{
	snprintf(buf, size, "%.*s", (int)(last_part(path) - path), path);
	return buf;
}

/* How chain_path shows it: the caller's to free. */
static char *shown_path(const struct parent_cache *cache,
			const struct found_parent *found)
{
	const struct root_dir *rootdir = &cache->roots[found->rootdir];
	char *shown = NULL;

	if (found->rootdir == 0 || !rootdir->confined)
		return strdup(found->real);
	return asprintf(&shown, "%s/%s", rootdir->path, found->real) < 0
		       ? NULL
		       : shown;
}

int parent_cache_find(struct parent_cache *cache, const char *child_path,
		      const struct parent_ref *ref, const struct image *child,
		      char **ret_path, dev_t *ret_dev, ino_t *ret_ino)
{
	char dir[PATH_MAX];
	struct search s = {
		.cache = cache,
		.child = child_path,
		.dir = dir_of(child_path, dir, sizeof dir),
		.ref = ref,
		.sector_size = child->sector_size,
	};
	struct found_parent found;
	char *path;
	int r = find_parent(&s, &found);

	if (r < 0)
		return r;
	path = shown_path(cache, &found);
	if (path) {
		*ret_path = path;
		*ret_dev = found.io->dev;
		*ret_ino = found.io->ino;
	} else {
		r = fail(-ENOMEM, "out of memory");
	}
	found_parent_fini(&found);
	return r;
}

static int check_cycle(const struct trail *trail, const struct io *io)
{
	for (const struct trail *t = trail; t; t = t->child)
		if (t->img->io->dev == io->dev && t->img->io->ino == io->ino)
			return fail(-ELOOP,
				    "%s: is its own parent, %u images up; "
				    "one of them names the wrong parent",
				    io->name, trail->length - t->length + 1);
	if (trail->length > CHAIN_DEPTH_MAX)
		return fail(-ELOOP,
			    "%s: expected at most %d parents, found more",
			    io->name, CHAIN_DEPTH_MAX);
	return 0;
}

static int open_up(struct parent_cache *cache, const struct trail *trail,
		   size_t rootdir, const char *real, bool lock,
		   struct parent_image **ret);

/* What layer and its parents say, flattened. */
static int make_map_cache(struct parent_image *entry)
{
	struct image *images[CHAIN_DEPTH_MAX];
	unsigned n = 0;

	for (struct parent_image *l = entry; l; l = l->parent) {
		if (n == CHAIN_DEPTH_MAX)
			return fail(-ELOOP, "%s: more than %d parents",
				    entry->path, CHAIN_DEPTH_MAX);
		images[n++] = l->img;
	}
	return map_cache_new(images, n, &entry->map);
}

/* The layer for a parent that was found. */
static int open_entry(struct parent_cache *cache, const struct trail *trail,
		      const struct search *s, struct found_parent *found,
		      bool lock, struct parent_image **ret)
{
	_cleanup_(parent_image_free_p) struct parent_image *entry =
		calloc(1, sizeof *entry);
	struct trail here = { .child = trail, .length = trail->length + 1 };
	int r;

	if (!entry || !(entry->path = shown_path(cache, found)))
		return fail(-ENOMEM, "out of memory");
	r = name_it(found->io, entry->path);
	if (r == 0 && lock)
		r = io_lock(found->io, IO_LOCK_SHARED);
	/* Before it is read: a change meanwhile shows later. */
	if (r == 0)
		r = io_file_stamp(found->io, &entry->stamp);
	if (r == 0)
		r = image_open(found->io, NULL, &entry->img);
	if (r < 0)
		return r;
	found->io = NULL;
	/* Once more: somebody may have written it before we had the lock. */
	r = check_identity(entry->img, s->ref, s->child, s->sector_size);
	here.img = entry->img;
	if (r == 0)
		r = open_up(cache, &here, found->rootdir, found->real, lock,
			    &entry->parent);
	if (r < 0)
		return r;
	r = make_map_cache(entry);
	if (r < 0) {
		parent_cache_put(cache, entry->parent);
		return r;
	}
	entry->refs = 1;
	*ret = steal(entry);
	if (lock)
		*ret = parent_cache_insert(cache, *ret);
	return 0;
}

static void put_after_failure(struct parent_cache *cache,
			      struct parent_image *entry)
{
	struct error why = *error_last();

	parent_cache_put(cache, entry);
	error_set(&why);
}

/* In which place the file lies; the store where it lies in none. */
static size_t rootdir_index_of(const struct parent_cache *cache,
			       const char *name)
{
	for (size_t i = 0; i < cache->n_roots; i++) {
		const char *root = cache->roots[i].path;
		size_t n = strlen(root);

		if (!strncmp(name, root, n) && name[n] == '/')
			return i;
	}
	return 0;
}

/* The parent that a process before had open below the same child. */
static int find_kept(const struct search *s, const struct image *child,
		     struct found_parent *ret)
{
	dev_t dev;
	ino_t ino;
	int r;

	if (!child->io->recovery ||
	    !recovery_file_parent(child->io->recovery, &dev, &ino))
		return -ENOENT;
	r = io_file_inherit(dev, ino, false, &ret->io);
	if (r < 0)
		return r;
	ret->rootdir = rootdir_index_of(s->cache, ret->io->name);
	ret->real = root_dir_real_path(&s->cache->roots[ret->rootdir],
				       ret->io->fd, ret->io->name);
	return ret->real ? 0 : fail(-ENOMEM, "out of memory");
}

/* For the process that comes after this one. */
static void record_parent(const struct image *child,
			  const struct parent_image *parent)
{
	if (child->io->recovery)
		recovery_file_set_parent(child->io->recovery,
					 parent->img->io->dev,
					 parent->img->io->ino);
}

/* The parent of trail's image, which is at real in its place. */
static int open_up(struct parent_cache *cache, const struct trail *trail,
		   size_t rootdir, const char *real, bool lock,
		   struct parent_image **ret)
{
	struct image *child = (struct image *)trail->img;
	char dir[PATH_MAX];
	struct parent_ref ref;
	struct found_parent found = { 0 };
	struct parent_image *open = NULL;
	struct search s = {
		.cache = cache,
		.child = child->io->name,
		.dir = dir_of(real, dir, sizeof dir),
		.rootdir = rootdir,
		.ref = &ref,
		.sector_size = child->sector_size,
	};
	int r;

	*ret = NULL;
	if (child->type != IMAGE_DIFFERENCING)
		return 0;
	r = image_parent(child, &ref);
	if (r < 0)
		return r;
	r = find_kept(&s, child, &found);
	if (r == -ENOENT)
		r = find_parent(&s, &found);
	if (r == 0)
		r = check_cycle(trail, found.io);
	if (r == 0 && lock)
		open = parent_cache_get(cache, found.io);
	if (r == 0 && open) {
		/* It may be another file than the one that was looked at. */
		r = check_identity(open->img, &ref, s.child, s.sector_size);
		if (r == 0)
			*ret = open;
		else
			put_after_failure(cache, open);
	} else if (r == 0) {
		r = open_entry(cache, trail, &s, &found, lock, ret);
	}
	if (r == 0 && lock)
		record_parent(child, *ret);
	found_parent_fini(&found);
	parent_ref_fini(&ref);
	return r;
}

int parent_cache_open(struct parent_cache *cache, struct image *child,
		      size_t rootdir, const char *real, bool lock,
		      struct parent_image **ret)
{
	struct trail trail = { .img = child, .length = 1 };

	return open_up(cache, &trail, rootdir, real, lock, ret);
}
