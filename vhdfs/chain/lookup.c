/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "chain/lookup.h"

int images_map(struct image *const *images, unsigned n, uint64_t off,
	       uint64_t len, struct chain_extent *ret)
{
	struct extent e = { .kind = EXTENT_PARENT, .len = len };
	struct image *img = NULL;
	unsigned depth;
	int r = 0;

	for (depth = 0; depth < n; depth++) {
		img = images[depth];
		image_lock_map(img);
		r = image_map(img, off, e.len, &e);
		image_unlock_map(img);
		if (r < 0 || e.kind != EXTENT_PARENT)
			break;
	}
	if (r < 0)
		return r;
	ret->len = e.len;
	ret->zero = e.kind != EXTENT_HERE;
	ret->io = ret->zero ? NULL : img->io;
	ret->file_off = ret->zero ? 0 : e.file_off;
	ret->depth = (int)depth;
	/* In a dynamic image without a parent, zeros are what is not there. */
	if (e.kind == EXTENT_PARENT ||
	    (e.kind == EXTENT_ZERO && img->type == IMAGE_DYNAMIC))
		ret->depth = -1;
	return 0;
}
