/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw reply: answers to requests that libfuse did not parse. */
#include "config.h"

#include "fuse/raw-reply.h"

#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/server.h"

static struct fuse_out_header header(uint64_t unique, int error, size_t n)
{
	return (struct fuse_out_header){
		.len = (uint32_t)(sizeof(struct fuse_out_header) + n),
		.error = error,
		.unique = unique,
	};
}

void raw_reply(uint64_t unique, int error, const void *data, size_t n)
{
	struct fuse_out_header out = header(unique, error, n);
	struct iovec iov[] = { { .iov_base = &out, .iov_len = sizeof out },
			       { .iov_base = (void *)data, .iov_len = n } };

	if (writev(server.fd, iov, 2) < 0)
		return;
}

void raw_reply_changed(uint64_t unique, ssize_t written)
{
	struct {
		struct fuse_out_header header;
		struct fuse_write_out write;
	} out = { .write.size = (uint32_t)written };

	out.header = header(unique, 0, written < 0 ? 0 : sizeof out.write);
	if (write(server.fd, &out, out.header.len) < 0)
		return;
}
