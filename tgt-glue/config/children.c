/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for children, with the library's catalog of all images: the first
 * search opens it. */
#include "config.h"

#include "tgt-glue/config/children.h"

#include "base/cleanup.h"

int children_find(struct fleet *fleet, const struct stat *st,
		  enum store_child_kind kin, const char **ret)
{
	const struct store_options options = { .path = fleet->store,
					       .read_only = true };
	_cleanup_free_ char *child = NULL;
	int r = fleet->images ? 0 : store_open(&options, &fleet->images);

	*ret = NULL;
	if (r == 0)
		r = store_find_child(fleet->images, st->st_dev, st->st_ino, kin,
				     &child);
	if (r == 0 && child)
		*ret = arena_strdup(&fleet->conf.arena, child);
	return r;
}
