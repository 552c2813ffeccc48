/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for children, with the library's catalog of all images: the first
 * search opens it. */
#include "config.h"

#include "tgt-glue/config/children.h"

static int open_images(const char *store, struct store **images)
{
	const struct store_options options = { .path = store,
					       .read_only = true };

	return *images ? 0 : store_open(&options, images);
}

int children_find(const char *store, struct store **images,
		  const struct stat *st, enum store_child_kind kin, char **ret)
{
	int r = open_images(store, images);

	*ret = NULL;
	if (r == 0)
		r = store_find_child(*images, st->st_dev, st->st_ino, kin, ret);
	return r;
}

struct listing {
	struct arena *arena;
	struct strings *list;
};

static void add(void *arg, const char *path)
{
	const struct listing *listing = arg;

	strings_add(listing->arena, listing->list,
		    arena_strdup(listing->arena, path));
}

int children_list(const char *store, struct store **images,
		  const struct stat *st, enum store_child_kind kin,
		  struct arena *arena, struct strings *ret)
{
	struct listing listing = { arena, ret };
	int r = open_images(store, images);

	if (r == 0)
		store_each_child(*images, st->st_dev, st->st_ino, kin, add,
				 &listing);
	return r;
}
