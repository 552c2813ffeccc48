/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The masters of a fleet, and the others in its store. */
#include "config.h"

#include "tgt-glue/config/families.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/image-names.h"
#include "tgt-glue/config/versions.h"

struct strings families_named(struct arena *arena, const struct fleet *fleet)
{
	struct strings families = { 0 };

	for (size_t i = 0; i < fleet->n_disks; i++)
		if (fleet->disks[i].family)
			strings_add_once(arena, &families,
					 fleet->disks[i].family);
	return families;
}

static bool is_image_of_a_disk(const struct fleet *fleet, const char *path)
{
	for (size_t i = 0; i < fleet->n_disks; i++)
		if (text_equal(fleet->disks[i].image, path))
			return true;
	return false;
}

/* A search, and what it has found. */
struct search {
	struct arena *arena;
	const struct fleet *fleet;
	const struct strings *named;
	struct strings found;
};

/* Takes the family of the file.  A snapshot has an @ in its name, and none. */
static void take(struct search *search, const char *path)
{
	const char *family = family_of(search->arena, path);
	struct stat st;

	if (family && !strchr(name_last(family), '@') &&
	    !strings_have(search->named, family) &&
	    !is_image_of_a_disk(search->fleet, path) &&
	    version_stat(&search->fleet->rootdir, path, 0, &st) == 0 &&
	    S_ISREG(st.st_mode))
		strings_add_once(search->arena, &search->found, family);
}

/* dir: with its last slash. */
static void search_directory(struct search *search, const char *dir)
{
	_cleanup_closedir_ DIR *entries =
		root_dir_opendir(&search->fleet->rootdir, dir);

	for (struct dirent *e; entries && (e = readdir(entries));)
		if (name_is_image(e->d_name))
			take(search, arena_printf(search->arena, "%s%s", dir,
						  e->d_name));
}

static int by_text(const void *pa, const void *pb)
{
	const char *const *a = pa, *const *b = pb;

	return strcmp(*a, *b);
}

struct strings families_unnamed(struct arena *arena, const struct fleet *fleet)
{
	const struct strings named = families_named(arena, fleet);
	struct search search = { .arena = arena,
				 .fleet = fleet,
				 .named = &named };
	struct strings dirs = { 0 };

	strings_add(arena, &dirs, "masters/");
	for (size_t i = 0; i < named.n; i++)
		strings_add_once(
			arena, &dirs,
			arena_printf(arena, "%.*s",
				     (int)(name_last(named.v[i]) - named.v[i]),
				     named.v[i]));
	for (size_t i = 0; i < dirs.n; i++)
		search_directory(&search, dirs.v[i]);
	if (search.found.n)
		qsort(search.found.v, search.found.n, sizeof *search.found.v,
		      by_text);
	return search.found;
}
