/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Thread pool: threads that read requests from the kernel's descriptor and pass
 * each to a handler, which answers it.
 *
 * The pool keeps as many threads ready as there are processors.  When a thread
 * blocks, on the disk or on a lock, another thread takes its place.
 *
 * libfuse has a thread pool too, but cancels its threads when it stops: a
 * request that a thread had just read is then lost.  Here a thread answers the
 * request that it has read before it exits.
 */
#ifndef VHDFS_FUSE_THREAD_POOL_H
#define VHDFS_FUSE_THREAD_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* The longest read or write, in bytes.  The answer to the kernel's INIT
	 * request sets this limit (worker.c). */
	REQUEST_MAX = 1024 * 1024,
};

/*
 * Processes and answers one request, in a thread of the pool.  request holds n
 * bytes as read from the kernel, at least a struct fuse_in_header; the data of
 * a write begins on a page boundary.  reply has room for REQUEST_MAX bytes,
 * begins on a page boundary, and overlaps the data of a write.
 */
typedef void thread_pool_handler(void *request, size_t n, char *reply);

/*
 * Starts the pool, once in a process: each request that is read from fd goes to
 * handler.  SIGUSR2 is sent to this process when the kernel has no more
 * requests (the mount is unmounted) or reading from fd fails.  0, or -errno
 * with error_text().
 */
int thread_pool_start(int fd, thread_pool_handler *handler);

/*
 * Stops reading requests, and waits until the requests that were read are
 * answered.  0, or -errno with error_text() if reading from fd
 * failed.
 */
int thread_pool_stop(void);

/*
 * Does a thread wait for a request, or was a request read since the last call?
 * Only one thread may call it.
 */
bool thread_pool_is_alive(void);

/*
 * Says that the calling thread may block.  In a thread of the pool this makes
 * another thread ready; in any other thread it does nothing.
 */
void thread_pool_will_block(void);

/*
 * The kernel's number of the request that the calling thread of the pool is
 * handling.  A request that the kernel sends again has the same number.
 */
uint64_t thread_pool_request_id(void);

#endif
