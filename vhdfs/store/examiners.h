/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads that examine images, and the wait for them. */
#ifndef VHDFS_STORE_EXAMINERS_H
#define VHDFS_STORE_EXAMINERS_H

#include "store/store-internal.h"

/* Has all examined that is marked, and waits for that, but not for what is
 * slow.  The lock is let go meanwhile. */
void examiners_run_locked(struct store *store);
/* Waits for this image (which has a reference) and its parents, however long
 * that takes.  The lock is let go meanwhile. */
void examiners_wait_locked(struct store *store, struct store_image *image);
/* Ends the threads. */
void examiners_stop_locked(struct store *store);
/* Of an image that has no name any more, or cannot be opened by it: takes what
 * its open chain says.  With open_lock held. */
void examiners_read_open_chain(struct store *store, struct store_image *image);

#endif
