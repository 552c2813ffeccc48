/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differences between the disks of two chains, in whole sectors. */
#ifndef VHDFS_CHAIN_DIFFERENCE_H
#define VHDFS_CHAIN_DIFFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "chain/chain.h"

/* A range whose sectors differ, each of them. */
struct difference {
	uint64_t off;         /* on the disk, bytes */
	size_t len;           /* bytes */
	const uint8_t *a, *b; /* contents; valid during the call */
};

/* Returns 0 to continue; other values end the comparison. */
typedef int difference_each(void *arg, const struct difference *difference);

/*
 * Calls each for every difference in [off, end), in their order; off and end
 * are multiples of the larger sector size of the two disks, but for a disk's
 * end.  A disk reads as zeros beyond its end.  Ranges that both disks store at
 * the same place of the same file, and those that both map as zeros, are not
 * read.  Returns what each returned if not 0, or 0, or the error of chain_map
 * and chain_read, or -ENOMEM with a message.
 *
 * THREADS: as chain_read.  Both chains keep their contents meanwhile.
 */
int chain_differences(struct chain *a, struct chain *b, uint64_t off,
		      uint64_t end, difference_each *each, void *arg);

/*
 * The first extent of [off, off + len): *ret_a and *ret_b are those of the two
 * disks, cut to the same length.  True: both read as zeros or are stored at the
 * same place of the same file, so they are equal.  Errors: those of chain_map.
 */
int chain_map_both(struct chain *a, struct chain *b, uint64_t off, uint64_t len,
		   struct chain_extent *ret_a, struct chain_extent *ret_b,
		   bool *ret_equal);

#endif
