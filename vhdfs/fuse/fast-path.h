/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes, which are nearly all that is asked for, answered without
 * libfuse: it would make a list of them, under a lock for all.  What takes more
 * than to read or to write is libfuse's way (requests-file.c).
 */
#ifndef VHDFS_FUSE_FAST_PATH_H
#define VHDFS_FUSE_FAST_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "fuse/requests.h"

/*
 * Answers the request of n bytes, as the kernel sent it, through fd; false
 * where that is libfuse's to do, and nothing was answered.  For threads of the
 * loop.
 */
bool fast_path_handle(struct server *server, int fd, const void *request,
		      size_t n);

/* How many bytes fast_path_handle has written for the request that it then left
 * to libfuse; -1 where it has written nothing. */
ssize_t fast_path_written(void);

#endif
