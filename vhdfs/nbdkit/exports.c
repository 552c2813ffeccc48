/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exports: find the image of an export's name, and list the exports.
 *
 * An export's name is the image's path in the store.  It is looked up as the
 * mount looks up a view.  So it cannot lead out of the store or to a file that
 * the mount does not show.
 */
#include "config.h"

#include "nbdkit/plugin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/registry.h"
#include "io/rootdir.h"
#include "store/image-names.h"

/* NBD's limit for the length of a name, bytes. */
enum { NAME_LEN_MAX = 4096 };

/* Words for a path in the store at which the mount shows no image; -ENOENT. */
static int fail_no_image(const char *path)
{
	if (name_is_image(name_last(path)))
		return fail(-ENOENT, "%s: no such image in the store", path);
	fail(-ENOENT,
	     "%s: expected a name that ends in %s and does not begin with a dot",
	     path, format_or(image_format_endings()));
	error_advise("`nbdkit file' serves a raw disk");
	return -ENOENT;
}

/* The image at path in the store, with a reference. */
static int find_at(struct store *in, const char *path, struct store_image **ret)
{
	const char *name = name_last(path);
	_cleanup_free_ char *dir = strndup(path, name - path);
	_cleanup_free_ char *view = NULL;
	struct stat st;
	int r;

	if (!dir || asprintf(&view, "%s%s", name, NAME_VIEW_SUFFIX) < 0)
		return fail(-ENOMEM, "out of memory");
	if (*dir)
		dir[strlen(dir) - 1] = '\0';
	r = store_lookup(in, dir, view, &st, ret);
	if (r == 0 && *ret)
		return 0;
	if (r == 0 || r == -ENOENT)
		return fail_no_image(path);
	return fail_errno(r, "%s", path);
}

/* The image of image=, whose path may be absolute. */
static int find_configured(struct store *in, struct store_image **ret)
{
	bool absolute = *settings.image == '/';
	_cleanup_free_ char *path = NULL, *inside = NULL;
	struct stat st;
	int r;

	if (asprintf(&path, "%s%s%s", absolute ? "" : store_root(in),
		     absolute ? "" : "/", settings.image) < 0)
		return fail(-ENOMEM, "out of memory");
	r = root_dir_relative(store_root(in), path, &inside);
	if (r < 0)
		return r;
	r = find_at(in, inside, ret);
	if (r < 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		r = fail(-EISDIR,
			 "%s: is a directory; name an image file in it", path);
	return r;
}

int export_find(struct store *in, const char *name, struct store_image **ret)
{
	if (settings.image)
		return find_configured(in, ret);
	if (*name)
		return find_at(in, name, ret);
	fail(-ENOENT, "a client asked for the export without a name");
	error_advise(
		"without image= the name of the export selects the image; `nbdinfo --list' shows the names");
	return -ENOENT;
}

char *export_describe(struct store_image *image)
{
	_cleanup_free_ char *format = NULL, *type = NULL;
	char *text;

	if (store_attribute(image, "format", &format) < 0 ||
	    store_attribute(image, "type", &type) < 0 ||
	    asprintf(&text, "%s, %s", format, type) < 0)
		return NULL;
	return text;
}

/* A directory or an export of the store. */
struct path {
	STAILQ_ENTRY(path) link;
	char *path;
	bool is_dir;
};

/* Grows while the directory that is its first path is being read. */
struct list {
	STAILQ_HEAD(, path) paths;
	bool no_memory;
};

/* Owns path.  False: out of memory. */
static bool add_path(struct list *list, char *path, bool is_dir)
{
	struct path *p = path ? malloc(sizeof *p) : NULL;

	if (!p) {
		free(path);
		list->no_memory = true;
		return false;
	}
	*p = (struct path){ .path = path, .is_dir = is_dir };
	STAILQ_INSERT_TAIL(&list->paths, p, link);
	return true;
}

static bool add_entry(void *arg, const char *name, const struct stat *st,
		      uint64_t cookie)
{
	struct list *list = arg;
	const char *dir = STAILQ_FIRST(&list->paths)->path;
	bool is_dir = S_ISDIR(st->st_mode);
	size_t len = strlen(name);
	char *path;

	(void)cookie;
	if (!is_dir)
		len -= strlen(NAME_VIEW_SUFFIX);
	if (asprintf(&path, "%s%s%.*s", dir, *dir ? "/" : "", (int)len, name) <
	    0)
		path = NULL;
	return add_path(list, path, is_dir);
}

/* Skips an image that was removed meanwhile, or is broken: clients reject the
 * whole list when they cannot open one of its exports. */
static int add_export(struct nbdkit_exports *exports, const char *name)
{
	_cleanup_free_ char *broken = NULL, *description = NULL;
	struct store_image *image;

	if (strlen(name) > NAME_LEN_MAX || export_find(store, name, &image) < 0)
		return 0;
	store_attribute(image, "error", &broken);
	if (!broken)
		description = export_describe(image);
	store_image_put(image);
	return broken ? 0 : nbdkit_add_export(exports, name, description);
}

int export_list(int readonly, int is_tls, struct nbdkit_exports *exports)
{
	struct list list = { .paths = STAILQ_HEAD_INITIALIZER(list.paths) };
	struct path *at;
	int r = 0;

	(void)readonly, (void)is_tls;
	if (settings.image)
		return nbdkit_add_export(exports, "", NULL);
	add_path(&list, strdup(""), true);
	while ((at = STAILQ_FIRST(&list.paths))) {
		if (at->is_dir && r == 0 && !list.no_memory)
			store_list(store, at->path, 0, add_entry, &list);
		else if (r == 0 && !list.no_memory)
			r = add_export(exports, at->path);
		STAILQ_REMOVE_HEAD(&list.paths, link);
		free(at->path);
		free(at);
	}
	if (list.no_memory) {
		nbdkit_error("out of memory");
		r = -1;
	}
	return r;
}
