/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Examiners: threads that examine the queued images.
 *
 * The functions that end in _locked release store.lock while they wait, and
 * while they examine an image in the caller's thread.
 */
#ifndef VHDFS_STORE_EXAMINERS_H
#define VHDFS_STORE_EXAMINERS_H

#include "store/store-internal.h"

/* Examines all queued images and brings what is derived up to date.  Does not
 * wait for examinations that are slow (examiners.c). */
void examiners_run_locked(struct store *store);
/* Examines this image and its parents where they are stale; waits for slow
 * ones, too.  The caller holds a reference of the image. */
void examiners_wait_locked(struct store_image *image);
/* Waits until all threads have ended; no new ones start. */
void examiners_stop_locked(struct store *store);
/* Sets the info of an open image from its chain, where it was not examined: it
 * has no name any more, or failed.  With open_lock held, without store.lock. */
void examiners_read_open_chain(struct store_image *image);

#endif
