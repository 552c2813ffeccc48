/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupted moves of disks: a new worker decides in which file a disk is
 * whose move (store/view-snapshot.c) its predecessor had begun.
 */
#ifndef VHDFS_FUSE_RESTORE_MOVES_H
#define VHDFS_FUSE_RESTORE_MOVES_H

#include <stddef.h>

struct io;

/* Old leaves that are kept locked until their disks are open again. */
struct restored_moves {
	struct io **v;
	size_t n;
};

/*
 * Before the store is opened.  A move that was begun is done if the new leaf
 * has got the name of the old one; else it is taken back, and the names are
 * undone when the image is opened (view_reopen).  The new leaf is no orphan
 * then: it was synced before it was registered (leaf_write), and no client has
 * written to it.  Where a move is done, the old leaf's descriptor for writing
 * is replaced by one for reading.  Errors are logged.
 */
void restore_moves_begin(struct restored_moves *moves);
/* After the images are open: closes what restore_moves_begin holds. */
void restore_moves_end(struct restored_moves *moves);

#endif
