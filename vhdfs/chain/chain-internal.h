/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chain, for chain.c and copyup.c. */
#ifndef VHDFS_CHAIN_INTERNAL_H
#define VHDFS_CHAIN_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chain/chain.h"
#include "io/io-file.h"

struct chain {
	struct parent_cache *cache;
	char *leaf_path;
	struct parent_image *parent; /* null: the leaf has none */
	unsigned depth;              /* number of parents */
	struct image **images;       /* depth + 1 of them, the leaf first */
	pthread_rwlock_t rmw_lock;
	bool replaced; /* the leaf's file holds another image */
	/* Of the leaf's file, since it is only read.  Used by one thread at a
	 * time, as opening and closing. */
	struct file_stamp stamp;
	/* copyup.c; no lock */
	atomic_uint writes;     /* since the last flush, counted as far as it
				   matters */
	atomic_bool syncs_each; /* there was but one before that flush, too */
};

/* Reads what the leaf would show there if it had nothing: whole sectors, on the
 * disk.  From many threads at once. */
int chain_read_parents(struct chain *chain, uint8_t *buf, uint64_t off,
		       size_t len);

/* Before each write of len > 0 bytes: is its unit to be completed after it? */
bool copyup_is_due(struct chain *chain, uint64_t off, size_t len);
/* After such a write that went well, without a lock held.  What fails here is
 * no failure of the write: the client's next one or its flush tells of what
 * lasts.
 */
void copyup_finish(struct chain *chain, uint64_t off);
/* Before a flush begins. */
void copyup_note_flush(struct chain *chain);

#endif
