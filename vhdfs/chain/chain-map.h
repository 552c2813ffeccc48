/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block map of several images of one chain: which image holds an offset of the
 * merged disk, and where in its file.  The lowest file of this folder.
 */
#ifndef VHDFS_CHAIN_CHAIN_MAP_H
#define VHDFS_CHAIN_CHAIN_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "format/image.h"

/* The maximum number of parents of one chain. */
enum { CHAIN_DEPTH_MAX = 256 };

/* A range of the merged disk that one image holds in one piece. */
struct chain_extent {
	bool zero; /* the range reads as zeros */
	/* Index of the image that holds the range, 0: the first one; -1: zeros
	 * that no image stores. */
	int depth;
	uint64_t len;
	struct io *io; /* file that holds the data; null for zeros */
	uint64_t file_off;
};

/*
 * The first extent of [off, off + len) of n images, each the parent of the
 * image before it.  *ret: at least one byte, at most len; depth counts from
 * images[0].  0, or the error of image_map.
 *
 * SIZES.  The disks may differ in size.  Beyond the end of an image's disk the
 * result is zeros, even where the disk of its own parent is larger and has
 * data.
 *
 * THREADS: any number at once.  Takes the lock of one image at a time.
 */
int chain_map_layers(struct image *const *images, unsigned n, uint64_t off,
		     uint64_t len, struct chain_extent *ret);

#endif
