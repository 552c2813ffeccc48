/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store of an image: the directory that is searched for its children. */
#include "config.h"

#include "img/image-store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "img/online.h"
#include "img/snapshot-path.h"

static int search_root(const struct image_roots *roots, const char *image,
		       char **ret)
{
	const char *store = image_roots_store(roots);
	_cleanup_free_ char *real = image_roots_absolute(roots, image);
	int r = real ? 0 : fail(-ENOMEM, "out of memory");

	if (store) {
		*ret = strdup(store);
		return *ret ? 0 : fail(-ENOMEM, "out of memory");
	}
	if (r == 0)
		r = online_store(real, ret);
	if (r < 0 || *ret)
		return r;
	r = snapshot_sibling(real, "..", ret);
	/* Not the whole file system. */
	if (r == 0 && strchr(real + 1, '/') == strrchr(real, '/')) {
		free(steal(*ret));
		r = snapshot_sibling(real, ".", ret);
	}
	return r;
}

int image_store_open(const struct image_roots *roots, const char *real,
		     struct store **ret)
{
	struct store_options options = { .read_only = true };
	_cleanup_free_ char *root = NULL;
	int r = search_root(roots, real, &root);

	options.path = root;
	return r < 0 ? r : store_open(&options, ret);
}
