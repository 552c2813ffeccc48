/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raw reply: answers to requests that libfuse did not parse (fast-path.c),
 * written to the kernel's descriptor as linux/fuse.h defines them.
 */
#ifndef VHDFS_FUSE_RAW_REPLY_H
#define VHDFS_FUSE_RAW_REPLY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Answers the request unique with error (-errno, or 0) and n bytes of data. Any
 * thread may call it.  A failure is ignored: then no client waits for the
 * answer.
 */
void raw_reply(uint64_t unique, int error, const void *data, size_t n);

/* Answers a write with success and the number of bytes; with written < 0, a
 * fallocate with success. */
void raw_reply_changed(uint64_t unique, ssize_t written);

#endif
