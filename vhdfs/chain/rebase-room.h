/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The room that the copies of a rebase need. */
#ifndef VHDFS_CHAIN_REBASE_ROOM_H
#define VHDFS_CHAIN_REBASE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "chain/rebase.h"

/*
 * *ret: upper limit of the space that chain_rebase_copy (parent null:
 * chain_complete) takes on the file system of the leaf, whose blocks have
 * `unit' bytes (a power of two): what it copies to new blocks and to holes of
 * the leaf's file, in whole units, and the bitmaps of new blocks.  0: it copies
 * nothing.  Not counted: what is taken once, as for a log.  Changes nothing.
 *
 * compare: reads the contents.  Else only maps are read, and all that may
 * differ counts.  progress may be null.  Errors: those of chain_differences.
 *
 * The chain has a parent.  THREADS: as chain_read.
 */
int chain_rebase_room(struct chain *chain, struct chain *parent, uint64_t unit,
		      bool compare, uint64_t *ret, rebase_progress *progress,
		      void *arg);

/*
 * The same of the copies after which the disk of the chain `to' is that of
 * `from': of all that differs, to the leaf of `to'.  The disks have one size;
 * no chain needs a parent.
 */
int chain_copy_room(struct chain *from, struct chain *to, uint64_t unit,
		    bool compare, uint64_t *ret, rebase_progress *progress,
		    void *arg);

#endif
