/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dispatch of the kernel's requests: reads, writes and zeroing are parsed and
 * answered here, and so are requests that have the same answer each time;
 * libfuse parses all other requests.
 *
 * Reads and writes are nearly all requests of a mount.  libfuse allocates a
 * structure for each and puts it into a list under one lock for all threads;
 * this path does neither.
 */
#ifndef VHDFS_FUSE_FAST_PATH_H
#define VHDFS_FUSE_FAST_PATH_H

#include <stddef.h>

/*
 * Processes and answers one request.  request holds n bytes as read from the
 * kernel; reply has room for REQUEST_MAX bytes.  The type is
 * thread_pool_handler (thread-pool.h); any thread may call it.
 */
void fast_path_handle(void *request, size_t n, char *reply);

#endif
