/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking over from a worker that died or left.  The kernel goes on to speak of
 * nodes and open files as if nothing had happened: nodes are found again by
 * their numbers (nodes.h), and what was open is opened again from what is kept
 * (io/recovery.h), where its descriptors, still locked, are found too.
 */
#ifndef VHDFS_FUSE_RESTORE_H
#define VHDFS_FUSE_RESTORE_H

#include "fuse/requests.h"

/*
 * Opens the store and the nodes, and again all that was open.  What cannot be
 * opened is said in the log, and answers EIO from now on.  -errno with words
 * where the store cannot be opened.
 */
int restore_state(struct server *server, const struct store_options *options);

/* Once there is an invalidator: what the kernel has cached may be older than
 * the last write. */
void restore_caches(struct server *server);

#endif
