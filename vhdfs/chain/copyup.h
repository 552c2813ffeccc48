/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copy-up: on a synced first write, copy the surrounding 64 KiB from the
 * parents into the leaf. */
#ifndef VHDFS_CHAIN_COPYUP_H
#define VHDFS_CHAIN_COPYUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chain;

/* To be called before each write of len > 0 bytes: whether copyup_finish is to
 * be called after it. */
bool copyup_is_due(struct chain *chain, uint64_t off, size_t len);
/*
 * After a successful write at off, without a lock held: copies the rest of
 * off's 64 KiB.  An error here is not an error of the write, so it is not
 * returned: a lasting one is reported by the next write or flush.
 */
void copyup_finish(struct chain *chain, uint64_t off);
/* To be called before each flush. */
void copyup_note_flush(struct chain *chain);

#endif
