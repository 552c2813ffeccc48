/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ancestors of the images in the store. */
#include "config.h"

#include "tgt-glue/reconcile/ancestors.h"

#include <errno.h>
#include <limits.h>

#include "chain/chain.h"
#include "tgt-glue/reconcile/image-parent.h"

int image_parent_of(const struct fleet *fleet, struct arena *arena,
		    const char *image, const char **ret)
{
	char path[PATH_MAX];
	int r = image_parent_path(fleet, image, path, sizeof path);

	*ret = r == 0 ? arena_strdup(arena, path) : NULL;
	return r == -ENODATA ? 0 : r;
}

int image_ancestor(const struct fleet *fleet, struct arena *arena,
		   const char *image,
		   bool (*matches)(const void *arg, const char *path),
		   const void *arg, const char **ret)
{
	const char *at = image;

	*ret = NULL;
	for (int i = 0; i <= CHAIN_DEPTH_MAX; i++) {
		int r = image_parent_of(fleet, arena, at, &at);

		if (r < 0 || !at)
			return r;
		if (matches(arg, at)) {
			*ret = at;
			return 0;
		}
	}
	return 0;
}
