/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Search for the parent's file that a differencing image names.
 *
 * ORDER.  The child's relative path, from the directory that the child really
 * lies in; then the base name in the child's directory; then the base name in
 * the other root directories.  Each name is tried as spelled, then without
 * regard to case and Unicode normal form, as NTFS compares names.  Last, the
 * versions of the master that the relative path names: a child that was made
 * before the master had versions names MASTER.vhdx, which may lead to a later
 * version by now, and its parent is one of MASTER@NUMBER.vhdx beside it.
 *
 * A candidate is taken only if it has the identity that the child names.  If
 * no candidate has, the error is the most specific one: another image under the
 * right name is reported rather than a name that does not exist.
 */
#include "config.h"

#include "chain/parent-search.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/parent-cache.h"
#include "chain/version-name.h"
#include "format/registry.h"
#include "io/rootdir.h"

void found_parent_fini(struct found_parent *found)
{
	if (found->io)
		io_close(found->io);
	free(found->real);
	memset(found, 0, sizeof *found);
}

int parent_search_check(const struct parent_search *s, const struct image *img)
{
	const struct parent_ref *ref = s->ref;
	char want[GUID_TEXT_SIZE], have[GUID_TEXT_SIZE];

	if (!guid_equal(&img->id, &ref->id) &&
	    (guid_is_null(&ref->id2) || !guid_equal(&img->id, &ref->id2))) {
		fail_found(-ESTALE, s->child, "parent locator", ref->file_off,
			   format_arg("a parent with the identifier %s",
				      guid_format(&ref->id, want)),
			   "%s with %s", img->io->name,
			   guid_format(&img->id, have));
		error_advise("the parent was changed or is another image; "
			     "restore the one the child was made from");
		return -ESTALE;
	}
	if (s->sector_size && img->sector_size != s->sector_size)
		return fail_found(
			-ESTALE, s->child, "parent locator", ref->file_off,
			format_arg("sectors of %u bytes, as the child's",
				   s->sector_size),
			"%s with %u bytes", img->io->name, img->sector_size);
	return 0;
}

int parent_search_rename(struct io *io, const char *name)
{
	char *copy = strdup(name);

	if (!copy)
		return fail(-ENOMEM, "out of memory");
	free(io->name);
	io->name = copy;
	return 0;
}

/* Keeps the most specific error: a passing one (the file could not be read)
 * before a wrong candidate, that before -ENOENT. */
static void keep_reason(struct parent_search *s, int r)
{
	int have = s->why.code;

	if (!have || (error_is_passing(r) && !error_is_passing(have)) ||
	    (r != -ENOENT && have == -ENOENT))
		s->why = *error_last();
}

static int open_candidate(struct parent_search *s, size_t rootdir,
			  const char *path, struct found_parent *ret)
{
	int r;

	found_parent_fini(ret);
	ret->rootdir = rootdir;
	r = root_dir_open(&s->roots[rootdir], path, false, &ret->io,
			  &ret->real);
	/* Messages show the real path. */
	return r < 0 ? r : parent_search_rename(ret->io, ret->real);
}

/*
 * Opens a candidate and checks it: 0 if it is the parent, which is then open
 * again in *ret.  It may be another file by then, so the caller checks it once
 * more after locking it.
 */
static int try_path(struct parent_search *s, size_t rootdir, const char *path,
		    struct found_parent *ret)
{
	struct image *img;
	struct found_parent found = { 0 };
	int r = open_candidate(s, rootdir, path, &found);

	if (r == 0) {
		r = image_open(found.io, NULL, &img);
		if (r == 0) {
			found.io = NULL;
			r = parent_search_check(s, img);
			image_close(img);
		}
	}
	if (r == 0)
		r = open_candidate(s, rootdir, path, &found);
	if (r < 0) {
		keep_reason(s, r);
		found_parent_fini(&found);
		return r;
	}
	*ret = found;
	return 0;
}

/* Tries dir/name, as spelled and then in any case. */
static int try_name(struct parent_search *s, size_t rootdir, const char *dir,
		    const char *name, struct found_parent *ret)
{
	char path[PATH_MAX];
	_cleanup_free_ char *other = NULL;
	int n = snprintf(path, sizeof path, "%s%s", dir, name);
	int r;

	/* An absolute path in a relative locator is invalid. */
	if (*name == '/' || (size_t)n >= sizeof path)
		return -ENOENT;
	r = try_path(s, rootdir, path, ret);
	if (r != -ENOENT)
		return r;
	r = root_dir_any_case(&s->roots[rootdir], path, &other);
	if (r == 0 && strcmp(other, path))
		return try_path(s, rootdir, other, ret);
	if (error_is_passing(r))
		keep_reason(s, fail_errno(r, "%s", path));
	return r < 0 ? r : -ENOENT;
}

/* Tries the base name in the child's directory, then in the other roots. */
static int try_basename(struct parent_search *s, const char *name,
			struct found_parent *ret)
{
	int r = try_name(s, s->rootdir, s->dir, name, ret);

	for (size_t i = 1; r < 0 && i < s->n_roots; i++)
		r = try_name(s, i, "", name, ret);
	return r;
}

/* Tries the versions of the master at path name, relative to the child. */
static int try_versions(struct parent_search *s, const char *name,
			struct found_parent *ret)
{
	const struct root_dir *rootdir = &s->roots[s->rootdir];
	const char *base = basename(name);
	_cleanup_closedir_ DIR *entries = NULL;
	char dir[PATH_MAX], path[PATH_MAX + NAME_MAX];
	int n = snprintf(dir, sizeof dir, "%s%.*s", s->dir, (int)(base - name),
			 name);
	int r = -ENOENT;

	if (*name == '/' || (size_t)n >= sizeof dir || rootdir->ops)
		return r;
	entries = root_dir_opendir(rootdir, dir);
	for (struct dirent *e; r < 0 && entries && (e = readdir(entries));)
		if (version_number(e->d_name, base)) {
			snprintf(path, sizeof path, "%s%s", dir, e->d_name);
			r = try_path(s, s->rootdir, path, ret);
		}
	return r;
}

static int fail_not_found(const struct parent_search *s)
{
	const struct parent_ref *ref = s->ref;
	const struct root_dir *rootdir = &s->roots[s->rootdir];

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
		    "--parents DIR (vhdfs: -o parents=DIR); if it was renamed, "
		    "run `vhdfs-img rebase --unsafe --search DIR %s'",
		    s->child,
		    ref->relative   ? ref->relative
		    : ref->basename ? ref->basename
				    : "(the child gives no path)",
		    rootdir->confined ? " in " : "",
		    rootdir->confined ? rootdir->path : "",
		    shell_word(s->child));
}

void parent_search_init(struct parent_search *s, struct parent_cache *cache,
			const char *real)
{
	s->roots = parent_cache_roots(cache, &s->n_roots);
	snprintf(s->dir, sizeof s->dir, "%.*s", (int)(basename(real) - real),
		 real);
}

int parent_search_run(struct parent_search *s, struct found_parent *ret)
{
	const struct parent_ref *ref = s->ref;
	int r = -ENOENT;

	if (ref->relative)
		r = try_name(s, s->rootdir, s->dir, ref->relative, ret);
	if (r < 0 && ref->relative)
		r = try_basename(s, basename(ref->relative), ret);
	if (r < 0 && ref->basename)
		r = try_basename(s, ref->basename, ret);
	if (r < 0 && ref->relative)
		r = try_versions(s, ref->relative, ret);
	return r < 0 ? fail_not_found(s) : 0;
}

char *parent_search_path(const struct parent_search *s,
			 const struct found_parent *found)
{
	const struct root_dir *rootdir = &s->roots[found->rootdir];
	char *path = NULL;

	if (found->rootdir == 0 || !rootdir->confined)
		return strdup(found->real);
	return asprintf(&path, "%s/%s", rootdir->path, found->real) < 0 ? NULL
									: path;
}

int parent_cache_find(struct parent_cache *cache, const char *child_path,
		      const struct parent_ref *ref, const struct image *child,
		      char **ret_path, dev_t *ret_dev, ino_t *ret_ino)
{
	struct parent_search s = {
		.child = child_path,
		.ref = ref,
		.sector_size = child->sector_size,
	};
	struct found_parent found = { 0 };
	char *path;
	int r;

	parent_search_init(&s, cache, child_path);
	r = parent_search_run(&s, &found);
	if (r < 0)
		return r;
	path = parent_search_path(&s, &found);
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
