/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes, which are nearly all that is asked for, answered without
 * libfuse: it would make a list of them, under a lock for all.  Whatever is not
 * plain success is left to libfuse's way (requests-file.c), which does it again
 * and has the words.
 */
#ifndef VHDFS_FUSE_DIRECT_H
#define VHDFS_FUSE_DIRECT_H

#include <stdbool.h>
#include <stddef.h>

#include "fuse/requests.h"

/*
 * Answers the request of n bytes, as the kernel sent it, through fd; false
 * where that is libfuse's to do, and nothing was answered.  For threads of the
 * loop.
 */
bool direct_answer(struct server *server, int fd, const void *request,
		   size_t n);

#endif
