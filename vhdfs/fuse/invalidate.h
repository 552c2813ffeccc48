/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Invalidator: a thread that drops pages of the kernel's page cache after the
 * image was changed, and only then answers the write.  So a client whose write
 * was answered knows that no other client reads the old bytes.
 *
 * It has a thread of its own because the kernel's call waits until reads of the
 * same pages are answered: in a thread of the pool it could wait for itself.
 *
 * Any thread may call invalidate and invalidate_and_reply.
 */
#ifndef VHDFS_FUSE_INVALIDATE_H
#define VHDFS_FUSE_INVALIDATE_H

#include <stdint.h>
#include <sys/types.h>

/* Starts the thread, once in a process.  It answers through the session's
 * descriptor.  -errno with error_text(). */
int invalidator_start(void);
/*
 * After the thread pool has stopped: completes all jobs, and ends the thread.
 * If the kernel keeps the thread waiting for 2 s, the mount is forced off.
 */
void invalidator_stop(const char *mountpoint);

/*
 * Drops the cached pages of [off, off + len) of a node, then answers the
 * request unique with raw_reply_changed (raw-reply.h).
 */
void invalidate_and_reply(uint64_t unique, uint64_t number, uint64_t off,
			  uint64_t len, ssize_t written);

/* Drops all cached pages of a node, asynchronously. */
void invalidate(uint64_t number);

/*
 * After the thread pool has stopped, when another worker goes on: answers all
 * waiting requests without dropping their pages, including the request whose
 * invalidation is in the kernel.  The next worker must drop them
 * (restore_caches).  The thread is not ended: this process exits.
 */
void invalidator_abandon(void);

#endif
