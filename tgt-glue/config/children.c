/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for children, with the library's catalog of all images: the first
 * search opens it. */
#include "config.h"

#include "tgt-glue/config/children.h"

int children_find(const char *store, struct store **images,
		  const struct stat *st, enum store_child_kind kin, char **ret)
{
	const struct store_options options = { .path = store,
					       .read_only = true };
	int r = *images ? 0 : store_open(&options, images);

	*ret = NULL;
	if (r == 0)
		r = store_find_child(*images, st->st_dev, st->st_ino, kin, ret);
	return r;
}
