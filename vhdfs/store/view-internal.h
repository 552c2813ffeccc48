/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of open images is for this folder alone. */
#ifndef VHDFS_STORE_VIEW_INTERNAL_H
#define VHDFS_STORE_VIEW_INTERNAL_H

#include <sys/stat.h>

#include "store/store-internal.h"

/* Opens the image anew for its readers, where its chain was lost; open_lock is
 * not held. */
void view_reopen_lost(struct store_image *image);
/* Before a change and a flush: where another program has written the file since
 * it was opened here, all that is done with it fails from now on.  Takes
 * store->lock, open_lock and io_lock, one after the other. */
void view_check_replaced(struct store_image *image);
/* Before what is written is flushed for a close: is the file the image still?
 * With open_lock held. */
void view_check_before_close(struct store *store, struct store_image *image);
/* The file of what is open of the image. -ESTALE where nothing is. Not with
 * store.lock. */
int view_fstat(struct store_image *image, struct stat *ret_st);
/* The identifier of what is open; a first write changes it. False where nothing
 * is open. Not with store.lock. */
bool view_id(struct store_image *image, struct guid *ret);
/* Closes what is open of the image. */
int view_close_chain(struct store *store, struct store_image *image);

#endif
