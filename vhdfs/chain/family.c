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

#include "chain/family.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chain/flat.h"
#include "io/keep.h"
#include "io/io-file.h"

/* The images from the leaf down to where we are, to see a cycle. */
struct trail {
	const struct trail *child;
	const struct image *img;
	unsigned length;
};

int family_new(const struct place *places, size_t n_places, struct family **ret)
{
	struct family *family = calloc(1, sizeof *family);

	if (!family || pthread_mutex_init(&family->lock, NULL) != 0) {
		free(family);
		return fail(-ENOMEM, "out of memory");
	}
	family->places = places;
	family->n_places = n_places;
	*ret = family;
	return 0;
}

void family_free(struct family *family)
{
	pthread_mutex_destroy(&family->lock);
	free(family);
}

const struct place *family_store(const struct family *family)
{
	return &family->places[0];
}

void found_fini(struct found *found)
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
	struct family *family;
	const char *child; /* name in messages */
	const char *dir;   /* that the child really lies in, "" or "a/b/" */
	size_t place;
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

static int open_found(struct search *s, size_t place, const char *path,
		      struct found *ret)
{
	int r;

	found_fini(ret);
	ret->place = place;
	r = place_open(&s->family->places[place], path, false, &ret->io,
		       &ret->real);
	return r < 0 ? r : name_it(ret->io, ret->real);
}

/* Opens one candidate for a look, and again when it is the parent: 0 then. What
 * is opened may be another file by then, so who takes it looks once more. */
static int try_path(struct search *s, size_t place, const char *path,
		    struct found *ret)
{
	struct image *img;
	struct found found = { 0 };
	int r = open_found(s, place, path, &found);

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
		r = open_found(s, place, path, &found);
	if (r < 0) {
		keep_reason(s, r);
		found_fini(&found);
		return r;
	}
	*ret = found;
	return 0;
}

/* dir/name in a place, as spelled and then in any case. */
static int try_name(struct search *s, size_t place, const char *dir,
		    const char *name, struct found *ret)
{
	char path[PATH_MAX];
	_cleanup_free_ char *other = NULL;
	int n = snprintf(path, sizeof path, "%s%s", dir, name);
	int r;

	/* What claims to be relative and is not leads nowhere. */
	if (*name == '/' || (size_t)n >= sizeof path)
		return -ENOENT;
	r = try_path(s, place, path, ret);
	if (r != -ENOENT)
		return r;
	r = place_any_case(&s->family->places[place], path, &other);
	if (r == 0 && strcmp(other, path))
		return try_path(s, place, other, ret);
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
static int try_basename(struct search *s, const char *name, struct found *ret)
{
	int r = try_name(s, s->place, s->dir, name, ret);

	for (size_t i = 1; r < 0 && i < s->family->n_places; i++)
		r = try_name(s, i, "", name, ret);
	return r;
}

static int nowhere(const struct search *s)
{
	const struct parent_ref *ref = s->ref;
	const struct place *place = &s->family->places[s->place];

	if (s->why.code == -EXDEV)
		return fail(-ENOENT, "%s: its parent %s lies outside %s",
			    s->child, ref->relative ? ref->relative : "",
			    place->root);
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
		    place->confined ? " in " : "",
		    place->confined ? place->root : "");
}

static int find_parent(struct search *s, struct found *ret)
{
	const struct parent_ref *ref = s->ref;
	int r = -ENOENT;

	if (ref->relative)
		r = try_name(s, s->place, s->dir, ref->relative, ret);
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
static char *shown_path(const struct family *family, const struct found *found)
{
	const struct place *place = &family->places[found->place];
	char *shown = NULL;

	if (found->place == 0 || !place->confined)
		return strdup(found->real);
	return asprintf(&shown, "%s/%s", place->root, found->real) < 0 ? NULL
								       : shown;
}

int family_find_parent(struct family *family, const char *child_path,
		       const struct parent_ref *ref, const struct image *child,
		       char **ret_path, dev_t *ret_dev, ino_t *ret_ino)
{
	char dir[PATH_MAX];
	struct search s = {
		.family = family,
		.child = child_path,
		.dir = dir_of(child_path, dir, sizeof dir),
		.ref = ref,
		.sector_size = child->sector_size,
	};
	struct found found;
	char *path;
	int r = find_parent(&s, &found);

	if (r < 0)
		return r;
	path = shown_path(family, &found);
	if (path) {
		*ret_path = path;
		*ret_dev = found.io->dev;
		*ret_ino = found.io->ino;
	} else {
		r = fail(-ENOMEM, "out of memory");
	}
	found_fini(&found);
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

static int open_up(struct family *family, const struct trail *trail,
		   size_t place, const char *real, bool lock,
		   struct layer **ret);

/* What layer and its parents say, flattened. */
static int make_flat(struct layer *layer)
{
	struct image *images[CHAIN_DEPTH_MAX];
	unsigned n = 0;

	for (struct layer *l = layer; l; l = l->parent) {
		if (n == CHAIN_DEPTH_MAX)
			return fail(-ELOOP, "%s: more than %d parents",
				    layer->path, CHAIN_DEPTH_MAX);
		images[n++] = l->img;
	}
	return flat_new(images, n, &layer->flat);
}

/* The layer for a parent that was found. */
static int open_layer(struct family *family, const struct trail *trail,
		      const struct search *s, struct found *found, bool lock,
		      struct layer **ret)
{
	_cleanup_(family_layer_free_p) struct layer *layer =
		calloc(1, sizeof *layer);
	struct trail here = { .child = trail, .length = trail->length + 1 };
	int r;

	if (!layer || !(layer->path = shown_path(family, found)))
		return fail(-ENOMEM, "out of memory");
	r = name_it(found->io, layer->path);
	if (r == 0 && lock)
		r = io_lock(found->io, IO_LOCK_SHARED);
	/* Before it is read: a change meanwhile shows later. */
	if (r == 0)
		r = io_file_stamp(found->io, &layer->stamp);
	if (r == 0)
		r = image_open(found->io, NULL, &layer->img);
	if (r < 0)
		return r;
	found->io = NULL;
	/* Once more: somebody may have written it before we had the lock. */
	r = check_identity(layer->img, s->ref, s->child, s->sector_size);
	here.img = layer->img;
	if (r == 0)
		r = open_up(family, &here, found->place, found->real, lock,
			    &layer->parent);
	if (r < 0)
		return r;
	r = make_flat(layer);
	if (r < 0) {
		family_put(family, layer->parent);
		return r;
	}
	layer->refs = 1;
	*ret = steal(layer);
	if (lock)
		*ret = family_share(family, *ret);
	return 0;
}

static void put_after_failure(struct family *family, struct layer *layer)
{
	struct error why = *error_last();

	family_put(family, layer);
	error_set(&why);
}

/* In which place the file lies; the store where it lies in none. */
static size_t place_of(const struct family *family, const char *name)
{
	for (size_t i = 0; i < family->n_places; i++) {
		const char *root = family->places[i].root;
		size_t n = strlen(root);

		if (!strncmp(name, root, n) && name[n] == '/')
			return i;
	}
	return 0;
}

/* The parent that a process before had open below the same child. */
static int find_kept(const struct search *s, const struct image *child,
		     struct found *ret)
{
	dev_t dev;
	ino_t ino;
	int r;

	if (!child->io->kept || !keep_file_parent(child->io->kept, &dev, &ino))
		return -ENOENT;
	r = io_file_inherit(dev, ino, false, &ret->io);
	if (r < 0)
		return r;
	ret->place = place_of(s->family, ret->io->name);
	ret->real = place_real(&s->family->places[ret->place], ret->io->fd,
			       ret->io->name);
	return ret->real ? 0 : fail(-ENOMEM, "out of memory");
}

/* For the process that comes after this one. */
static void keep_parent(const struct image *child, const struct layer *parent)
{
	if (child->io->kept)
		keep_file_set_parent(child->io->kept, parent->img->io->dev,
				     parent->img->io->ino);
}

/* The parent of trail's image, which is at real in its place. */
static int open_up(struct family *family, const struct trail *trail,
		   size_t place, const char *real, bool lock,
		   struct layer **ret)
{
	struct image *child = (struct image *)trail->img;
	char dir[PATH_MAX];
	struct parent_ref ref;
	struct found found = { 0 };
	struct layer *open = NULL;
	struct search s = {
		.family = family,
		.child = child->io->name,
		.dir = dir_of(real, dir, sizeof dir),
		.place = place,
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
		open = family_get_current(family, found.io);
	if (r == 0 && open) {
		/* It may be another file than the one that was looked at. */
		r = check_identity(open->img, &ref, s.child, s.sector_size);
		if (r == 0)
			*ret = open;
		else
			put_after_failure(family, open);
	} else if (r == 0) {
		r = open_layer(family, trail, &s, &found, lock, ret);
	}
	if (r == 0 && lock)
		keep_parent(child, *ret);
	found_fini(&found);
	parent_ref_fini(&ref);
	return r;
}

int family_open_parents(struct family *family, struct image *child,
			size_t place, const char *real, bool lock,
			struct layer **ret)
{
	struct trail trail = { .img = child, .length = 1 };

	return open_up(family, &trail, place, real, lock, ret);
}
