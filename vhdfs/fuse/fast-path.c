/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "fuse/fast-path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "fuse/thread-pool.h"
#include "store/view.h"

/* A request as it lies in its buffer; the argument may be of an older kernel,
 * and shorter. */
struct request {
	const struct fuse_in_header *in;
	const void *arg;
	size_t arg_size;
};

/* Of the request at hand alone: libfuse may have no memory to go on with it,
 * and the next one must not be taken for written. */
static _Thread_local ssize_t written;

ssize_t fast_path_written(void)
{
	return written;
}

/*
 * Where an answer of up to REQUEST_MAX bytes is put together: the data where
 * thread_pool_reply_buffer says, the header right before it, so that one write
 * sends both from one piece.
 */
static void send_answer(int fd, const struct request *r, int error, size_t n)
{
	struct fuse_out_header out = { .len = sizeof out + n,
				       .error = error,
				       .unique = r->in->unique };
	char *answer = thread_pool_reply_buffer() - sizeof out;

	memcpy(answer, &out, sizeof out);
	/* What cannot be sent is not waited for any more. */
	if (write(fd, answer, out.len) < 0)
		return;
}

/* Null where there is more to it, which is not answered here. */
static struct node *image_of(struct server *server, const struct request *r)
{
	struct node *node = nodes_find(server->nodes, r->in->nodeid);

	return node && node->image && !atomic_load(&node->lost) ? node : NULL;
}

static bool answer_read(struct server *server, int fd, const struct request *r)
{
	struct node *node = image_of(server, r);
	struct fuse_read_in arg;
	ssize_t n;

	if (!node || r->arg_size < sizeof arg)
		return false;
	memcpy(&arg, r->arg, sizeof arg);
	if (arg.size > REQUEST_MAX)
		return false;
	n = view_read(node->image, thread_pool_reply_buffer(), arg.offset,
		      arg.size);
	if (n < 0)
		send_answer(fd, r, failure_to_tell(server, node, (int)n), 0);
	else
		send_answer(fd, r, 0, n);
	return true;
}

/* Nobody has pages of it that would have to be dropped, and nobody wants more
 * than that it is written. */
static bool is_plain_write(const struct node *node,
			   const struct fuse_write_in *arg)
{
	return !atomic_load(&node->cached) &&
	       !(arg->write_flags & FUSE_WRITE_CACHE) &&
	       !(arg->flags & (O_SYNC | O_DSYNC));
}

static bool answer_write(struct server *server, int fd, const struct request *r)
{
	struct node *node = image_of(server, r);
	struct fuse_write_in arg;
	struct fuse_write_out out = { 0 };
	ssize_t n;

	if (!node || r->arg_size < sizeof arg)
		return false;
	memcpy(&arg, r->arg, sizeof arg);
	if (r->arg_size - sizeof arg < arg.size || !is_plain_write(node, &arg))
		return false;
	n = view_write(node->image, (const char *)r->arg + sizeof arg,
		       arg.offset, arg.size);
	if (n < 0) {
		/* Past the end: nothing happened to the image. */
		send_answer(fd, r,
			    n == -EFBIG ? -EFBIG
					: failure_to_tell(server, node, (int)n),
			    0);
		return true;
	}
	/* Somebody may have begun to read through the page cache meanwhile. */
	if (atomic_load(&node->cached)) {
		written = n;
		return false;
	}
	out.size = n;
	memcpy(thread_pool_reply_buffer(), &out, sizeof out);
	send_answer(fd, r, 0, sizeof out);
	return true;
}

bool fast_path_handle(struct server *server, int fd, const void *request,
		      size_t n)
{
	struct request r = {
		.in = request,
		.arg = (const char *)request + sizeof *r.in,
		.arg_size = n - sizeof *r.in,
	};

	written = -1;
	switch (r.in->opcode) {
	case FUSE_READ:
		return answer_read(server, fd, &r);
	case FUSE_WRITE:
		return answer_write(server, fd, &r);
	case FUSE_INTERRUPT:
		/* Nothing here can be interrupted; the kernel asks no more. */
		send_answer(fd, &r, -ENOSYS, 0);
		return true;
	default:
		return false;
	}
}
