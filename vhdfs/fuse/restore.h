/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Restore: a new worker opens again what an earlier worker had open.
 *
 * The kernel does not notice the change of workers: it uses the same node
 * numbers and handles.  Nodes are found by their numbers (nodes.h).  Handles,
 * locked descriptors and unflushed pages are found in the recovery memory
 * (io/recovery.h).
 */
#ifndef VHDFS_FUSE_RESTORE_H
#define VHDFS_FUSE_RESTORE_H

#include "fuse/requests.h"

/*
 * Opens the store, and again each image that was open.  A handle whose image
 * cannot be opened is lost (requests.h); the error is logged.  -errno with
 * error_text() if the store cannot be opened.
 */
int restore_state(void);

/* Drops the cached pages of all restored files: the last worker may have died
 * between a write and its invalidation.  Needs the invalidator. */
void restore_caches(void);

#endif
