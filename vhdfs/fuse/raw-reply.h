/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers to requests that libfuse did not parse (fast-path.c): written to the
 * kernel's descriptor as linux/fuse.h defines them.
 */
#ifndef VHDFS_FUSE_RAW_REPLY_H
#define VHDFS_FUSE_RAW_REPLY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Answers the request unique with error (-errno, or 0) and n bytes of data.  A
 * failure to send is ignored: then no process waits for the answer any more.
 * Any thread may call it.
 */
void raw_reply(int fd, uint64_t unique, int error, const void *data, size_t n);

/* Success of a write of so many bytes; of a fallocate where written < 0. */
void raw_reply_changed(int fd, uint64_t unique, ssize_t written);

#endif
