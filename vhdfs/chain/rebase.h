/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rebase: a leaf gets other parents, or none, and shows what it showed. */
#ifndef VHDFS_CHAIN_REBASE_H
#define VHDFS_CHAIN_REBASE_H

#include <stdint.h>

#include "chain/chain.h"

/* Called after each step: all up to `done', of chain_size(), is finished. */
typedef void rebase_progress(void *arg, uint64_t done);

/*
 * Between the copies of a long work: flushes the chain, if copied, a count of
 * bytes, has grown enough since *flushed, the count at the last flush.  A
 * process that is killed loses its changes of tables since then, and so the
 * copies.  Errors: those of chain_flush.
 */
int chain_flush_copies(struct chain *chain, uint64_t copied, uint64_t *flushed);

/*
 * Copies to the chain's leaf what it shows and does not store, where the disk
 * of parent has other contents: afterwards the leaf shows the same on both.
 * Sectors that are equal are not copied, and those that both disks have from
 * the same place are not read.  An error leaves a leaf that shows the same as
 * before, with a part of the copies.  *ret_copied: bytes that were copied,
 * after an error too.  progress may be null.
 *
 * The chain is open for writing and has a parent; writes by other threads may
 * go on, but no zeroing.  parent keeps its contents.  Errors: those of
 * chain_differences, chain_store_shown.
 */
int chain_rebase_copy(struct chain *chain, struct chain *parent,
		      uint64_t *ret_copied, rebase_progress *progress,
		      void *arg);

/*
 * The same for a leaf that gets no parent: afterwards it shows the same alone,
 * and stores all sectors of each block that it has allocated
 * (image_remove_parent).  Blocks of zeros are not allocated for that.  Needs
 * the chain to itself.
 */
int chain_complete(struct chain *chain, uint64_t *ret_copied,
		   rebase_progress *progress, void *arg);
/*
 * One step of it from off on, which is on the disk: at most a block that has
 * contents.  Other threads may write meanwhile: what they write first to a
 * block that the step has left behind is completed by chain_complete.  *ret:
 * where the next step begins.  *copied grows.
 */
int chain_complete_step(struct chain *chain, uint64_t off, uint64_t *ret,
			uint64_t *copied);

#endif
