/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers to requests that libfuse did not parse. */
#include "config.h"

#include "fuse/raw-reply.h"

#include <linux/fuse.h>
#include <sys/uio.h>

void raw_reply(int fd, uint64_t unique, int error, const void *data, size_t n)
{
	struct fuse_out_header out = { .len = sizeof out + n,
				       .error = error,
				       .unique = unique };
	struct iovec iov[] = { { .iov_base = &out, .iov_len = sizeof out },
			       { .iov_base = (void *)data, .iov_len = n } };

	if (writev(fd, iov, n ? 2 : 1) < 0)
		return;
}

void raw_reply_changed(int fd, uint64_t unique, ssize_t written)
{
	struct fuse_write_out out = { .size = (uint32_t)written };

	if (written < 0)
		raw_reply(fd, unique, 0, NULL, 0);
	else
		raw_reply(fd, unique, 0, &out, sizeof out);
}
