/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Telling the kernel that pages it has cached of an image are old, and only
 * then telling the writer that it is done: who writes and is answered may be
 * sure that nobody reads the old bytes after.
 *
 * It runs in a thread of its own.  The kernel waits in that call for reads of
 * the same pages to be answered, so whoever answers requests must not be in it.
 */
#ifndef VHDFS_FUSE_INVALIDATE_H
#define VHDFS_FUSE_INVALIDATE_H

#include <stdint.h>
#include <sys/types.h>

#include "fuse/fuse3.h"

struct invalidator;

/* Starts the thread.  Answers go to the session's descriptor. */
int invalidator_new(struct fuse_session *session, struct invalidator **ret);
/*
 * Requests are no longer answered.  Does what is left, and ends the thread;
 * where the kernel keeps it waiting, the mount is forced off.
 */
void invalidator_free(struct invalidator *inv, const char *mountpoint);

/*
 * Drops what is cached of [off, off + len) of the node, then answers the
 * request unique as raw_reply_changed does.
 */
void invalidate_and_reply(struct invalidator *inv, uint64_t unique,
			  uint64_t number, uint64_t off, uint64_t len,
			  ssize_t written);

/* Drops all that is cached of the node, some time soon. */
void invalidate(struct invalidator *inv, uint64_t number);

/*
 * Requests are no longer taken, and another process will go on: answers what is
 * waiting without dropping anything, also what the kernel keeps waiting; that
 * process is to drop it.  The thread is left as it is: this process ends.
 */
void invalidator_abandon(struct invalidator *inv);

#endif
