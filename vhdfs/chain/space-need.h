/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Space need: how much space of the file system a change of a disk takes. */
#ifndef VHDFS_CHAIN_SPACE_NEED_H
#define VHDFS_CHAIN_SPACE_NEED_H

#include <stdint.h>

struct chain;

enum space_change {
	SPACE_WRITE,
	SPACE_ZERO, /* chain_zero without punch */
};

/* Bytes of the disk whose change takes space; 0: it needs none. */
struct space_need {
	uint64_t file; /* the leaf's file grows on disk */
	uint64_t fs;   /* the file system finds blocks: also for shared ones */
};

/*
 * *ret: what a change of [off, off + len), which lies on the disk, needs now. A
 * write needs space for each sector that the leaf does not store, or stores in
 * a hole of its file, such as the rest of a new block.  Space that is allocated
 * and not yet written counts as present.
 *
 * A sector that zeroing hides from the parent counts as a page, for the tables.
 *
 * 0, or the errors of image_map, chain_map and io_space.
 *
 * THREADS: as chain_map.  A change at the same time may make the result
 * obsolete.
 */
int chain_space_need(struct chain *chain, uint64_t off, uint64_t len,
		     enum space_change change, struct space_need *ret);

#endif
