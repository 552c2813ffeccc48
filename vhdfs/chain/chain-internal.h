/* SPDX-License-Identifier: GPL-2.0-or-later */
/* struct chain, for chain.c, chain-open.c, copyup.c, rebase.c and rebase-step.c
 * only.
 */
#ifndef VHDFS_CHAIN_CHAIN_INTERNAL_H
#define VHDFS_CHAIN_CHAIN_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "io/io-file.h"

struct image;
struct parent_cache;
struct parent_image;

struct chain {
	struct parent_cache *cache;
	char *leaf_path;
	struct parent_image *parent; /* null: the leaf has none */
	unsigned depth;              /* number of parents */
	struct image **images;       /* depth + 1 of them, the leaf first */
	/* A write of whole sectors holds it shared; a read-modify-write, and
	 * a copy-up, hold it exclusively.  See LOCKS in chain.h. */
	pthread_rwlock_t rmw_lock;
	bool replaced; /* the leaf's file holds another image */
	/* The leaf's file when it was opened for reading.  Used by one thread
	 * at a time, as the functions that open and close are. */
	struct file_stamp stamp;
	/* For rebase-step.c: the new parent, and how far the steps came. */
	struct file_id rebase_parent;
	struct chain *rebase_with; /* the same, open; owned; null: none */
	uint64_t rebase_done;
	/* Zeroing stores zeros in the leaf, also where the parents have zeros.
	 */
	atomic_bool keeps_zeros;
	/* For copyup.c; no lock. */
	atomic_uint writes;     /* since the last flush, counted up to two */
	atomic_bool syncs_each; /* the last flush followed one write only */
};

/* -ESTALE with a message: chain.replaced is set. */
int chain_fail_replaced(const struct chain *chain);

#endif
