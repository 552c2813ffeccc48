/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads that read requests off the kernel's descriptor and answer them:
 * as few as keep the processors busy, and another in the place of each that is
 * held up, by the disk or by a lock.
 *
 * libfuse's own loop cancels its threads when it ends, and a request that was
 * just read would go with one of them; here each thread answers what it has
 * taken before it ends.
 */
#ifndef VHDFS_FUSE_THREAD_POOL_H
#define VHDFS_FUSE_THREAD_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread_pool;

enum {
	/* The longest read or write, in bytes; the kernel agrees to it. */
	REQUEST_MAX = 1024 * 1024,
};

/*
 * Processes and answers one request, in one of the pool's threads: n bytes as
 * read from the kernel, at least a header.  Data of a write begin at a page.
 * reply is room for REQUEST_MAX bytes that begin at a page; it overlaps the
 * data of the request.
 */
typedef void thread_pool_handler(void *ctx, void *request, size_t n,
				 char *reply);

/*
 * Starts the threads: each request that is read from fd goes to handler.  When
 * the kernel has no more (it is unmounted) or fd fails, SIGUSR2 is sent to this
 * process.
 */
int thread_pool_start(int fd, thread_pool_handler *handler, void *ctx,
		      struct thread_pool **ret);
/*
 * Takes no more requests, waits until those taken are answered, and frees all.
 * 0, or -errno with words where it was fd that failed.
 */
int thread_pool_stop(struct thread_pool *pool);

/* Can it take a request, or has it taken one since this was asked before?  For
 * one thread. */
bool thread_pool_is_alive(struct thread_pool *pool);

/* For the calling thread, which answers a request: it is about to do what may
 * take long. */
void thread_pool_will_block(void);

/* The kernel's number of the request that the calling thread answers; of one
 * that is sent again, the same as before. */
uint64_t thread_pool_request_id(void);

#endif
