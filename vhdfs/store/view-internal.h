/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Views: functions for this folder only.  See view.h for the others.
 * None but view_begin_open_locked is called with store.lock held.
 */
#ifndef VHDFS_STORE_VIEW_INTERNAL_H
#define VHDFS_STORE_VIEW_INTERNAL_H

#include <sys/stat.h>

#include "store/store-internal.h"

/* Counts an open: of an image that is open for writing, no examiner reads the
 * file.  With store.lock held. */
void view_begin_open_locked(struct store_image *image, bool writable);
/* Opens the chain for the readers again where an earlier change of it failed.
 * Takes open_lock. */
void view_reopen_lost(struct store_image *image);
/* To be called before each write and flush.  Where another program has put
 * another image into the file, all later requests of this image fail.  Takes
 * store.lock, open_lock and io_lock, in turn. */
void view_check_replaced(struct store_image *image);
/* The same before a close, with open_lock held. */
void view_check_before_close(struct store_image *image);
/* The image's n-th path in the store, the caller's to free; null: it has no
 * more names, or out of memory.  Takes store.lock. */
char *view_copy_name(struct store_image *image, size_t n);
/* Is path, in the store, one of the image's names? */
bool view_has_name(struct store_image *image, const char *path);
/* Before a request that changes the chain of an image: 0, or with a message
 * -EBADF: it is not open for writing; -ESTALE: path is none of its names.  With
 * open_lock held. */
int view_check_request(struct store_image *image, const char *path);
/* Flushes the image.  With open_lock held; reads and writes go on. */
int view_flush_open(struct store_image *image);
/* fstat of the open image's file.  -ESTALE, without a message: it is not open.
 * Waits while the image is being opened or closed. */
int view_fstat(struct store_image *image, struct stat *ret_st);
/* The identifier of the open image, which the first write changes.  False: it
 * is not open.  Waits as view_fstat does. */
bool view_id(struct store_image *image, struct guid *ret);
/* Closes the image, however many views are open.  -errno with a message. */
int view_close_chain(struct store_image *image);

#endif
