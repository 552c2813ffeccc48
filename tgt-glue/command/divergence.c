/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Divergence of a client's disk from its master, read from the block tables. */
#include "config.h"

#include "tgt-glue/command/divergence.h"

#include "format/registry.h"
#include "io/rootdir.h"

/* Counts the blocks of which the image has at least a part.  Asks at most twice
 * for a block: the rest of a counted block is skipped. */
static int count(struct image *image, struct divergence *ret)
{
	uint64_t block = image->block_size ? image->block_size : image->size;
	struct extent extent;
	int r;

	ret->blocks = 0;
	ret->size = image->size;
	ret->of = (image->size + block - 1) / block;
	for (uint64_t off = 0; off < image->size;) {
		uint64_t first = off / block, last;

		image_lock_map(image);
		r = image_map(image, off, image->size - off, &extent);
		image_unlock_map(image);
		if (r < 0)
			return r;
		if (extent.kind == EXTENT_PARENT) {
			off += extent.len;
			continue;
		}
		last = (off + extent.len - 1) / block;
		ret->blocks += last - first + 1;
		off = (last + 1) * block;
	}
	return 0;
}

struct divergence divergence_of(const struct fleet *fleet,
				const struct disk *disk)
{
	struct divergence divergence = { 0 };
	struct image *image;
	struct io *io;

	if (root_dir_open(&fleet->rootdir, disk->child, false, &io, NULL) < 0)
		return divergence;
	if (image_open(io, NULL, &image) < 0) {
		io_close(io);
		return divergence;
	}
	if (count(image, &divergence) < 0)
		divergence = (struct divergence){ 0 };
	image_close(image);
	return divergence;
}
