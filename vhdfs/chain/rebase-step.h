/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebase in steps of a chain that clients write to.
 *
 * The steps go over the disk from its start to its end, and copy to the leaf
 * what it shows and does not store, where the new parent's disk has other
 * contents.  From the first step on, zeroing stores zeros in the leaf, and does
 * not fall back to the parents: so what a step has left behind stays equal on
 * both.  The chain keeps how far the steps came; it is lost with the chain (a
 * worker's death, a snapshot), and the next step begins again.
 *
 * THREADS: one thread at a time; reads, writes and flushes of the chain may go
 * on, but for chain_set_parent, chain_remove_parent and chain_reload_parents,
 * which need the chain to themselves.
 */
#ifndef VHDFS_CHAIN_REBASE_STEP_H
#define VHDFS_CHAIN_REBASE_STEP_H

#include <stdbool.h>
#include <stdint.h>

#include "chain/chain.h"

/*
 * Before each step: parent is the new parent's disk, or null: the leaf is to
 * have none.  The chain takes it over, and keeps it open, and so locked against
 * writers, until the steps end: what was compared stays valid.  The chain that
 * is kept already is not replaced by one of the same file.
 */
void chain_rebase_hold(struct chain *chain, struct chain *parent);
/*
 * Works on the range from *off on, at most len bytes, and sets *off to its end.
 * If the steps before did not come to *off, or were for another parent, *off is
 * set to 0 and the steps begin there.  *copied grows by the bytes that were
 * copied.  0 or the errors of chain_differences and chain_copy_up.
 */
int chain_rebase_step(struct chain *chain, uint64_t *off, uint64_t len,
		      uint64_t *copied);
/* Have the steps come to the end of the disk, for this parent? */
bool chain_rebase_is_complete(const struct chain *chain,
			      const struct chain *parent);
/* The steps are not continued: the parent is closed, zeroing is as before. */
void chain_rebase_end(struct chain *chain);

/* 0, or -EINVAL with a message: the image cannot be a child of parent, for
 * their type, format or sector size; -ELOOP: it is one of its parents. */
int chain_check_parent(const struct image *img, struct chain *parent);
/* image_set_parent for the leaf, which is at path in the store, and
 * chain_reload_parents; an error of the latter is logged, for then the old
 * parents still show the same. */
int chain_set_parent(struct chain *chain, const char *path,
		     const struct image_params *params);
/* After the steps for no parent: stores what is left, makes the leaf a dynamic
 * image, and closes the parents. */
int chain_remove_parent(struct chain *chain);
/* Opens the parents again, as the leaf names them now.  After a failure the
 * chain has those of before. */
int chain_reload_parents(struct chain *chain);
/* Is the file one of the chain's parents? */
bool chain_has_parent(const struct chain *chain, struct file_id file);

#endif
