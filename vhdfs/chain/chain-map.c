/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Block map of several images: the first image that stores a range, or whose
 * disk ends before it, answers for it. */
#include "config.h"

#include "chain/chain-map.h"

#include "base/bytes.h"

int chain_map_layers(struct image *const *images, unsigned n, uint64_t off,
		     uint64_t len, struct chain_extent *ret)
{
	struct extent e = { .kind = EXTENT_PARENT, .len = len };
	struct image *img = NULL;
	unsigned depth;
	int r = 0;

	for (depth = 0; depth < n && off < images[depth]->size; depth++) {
		img = images[depth];
		r = image_map_locked(img, off, min_u64(e.len, img->size - off),
				     &e);
		if (r < 0 || e.kind != EXTENT_PARENT)
			break;
	}
	if (r < 0)
		return r;
	ret->len = e.len;
	ret->zero = e.kind != EXTENT_STORED;
	ret->io = ret->zero ? NULL : img->io;
	ret->file_off = ret->zero ? 0 : e.file_off;
	ret->depth = (int)depth;
	/* No image stores a range beyond the end of a parent's disk, nor a
	 * range of zeros in a dynamic image: that is an unallocated block. */
	if (e.kind == EXTENT_PARENT ||
	    (e.kind == EXTENT_ZERO && img->type == IMAGE_DYNAMIC))
		ret->depth = -1;
	return 0;
}
