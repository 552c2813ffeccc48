/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for children, with the library's catalog of all images: the first
 * search opens it. */
#include "config.h"

#include "tgt-glue/config/children.h"

#include "base/cleanup.h"

static int open_images(struct fleet *fleet)
{
	const struct store_options options = { .path = fleet->store,
					       .read_only = true };

	return fleet->images ? 0 : store_open(&options, &fleet->images);
}

int children_find(struct fleet *fleet, const struct stat *st,
		  enum store_child_kind kin, const char **ret)
{
	_cleanup_free_ char *child = NULL;
	int r = open_images(fleet);

	*ret = NULL;
	if (r == 0)
		r = store_find_child(fleet->images, st->st_dev, st->st_ino, kin,
				     &child);
	if (r == 0 && child)
		*ret = arena_strdup(&fleet->conf.arena, child);
	return r;
}
