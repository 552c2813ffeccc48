/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fast path: reads, writes and zeroing, parsed and answered without libfuse;
 * and the requests that have the same answer each time.
 *
 * Each handle function parses a request as linux/fuse.h defines it, and sends
 * exactly one answer.
 */
#include "config.h"

#include "fuse/fast-path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <string.h>

#include "fuse/invalidate.h"
#include "fuse/raw-reply.h"
#include "fuse/requests.h"
#include "fuse/thread-pool.h"
#include "store/view.h"

/* The kernel's and libc's names for these are the same. */
#ifndef FALLOC_FL_KEEP_SIZE
#include <linux/falloc.h>
#endif

/* One request in its thread's buffer. */
struct request {
	const struct fuse_in_header *in;
	const char *arg; /* what follows the header */
	size_t arg_size;
	char *reply; /* room for REQUEST_MAX bytes */
};

static void reply_error(const struct request *r, int error)
{
	raw_reply(r->in->unique, error, NULL, 0);
}

/* Logs the last error, and answers with the errno that the client may see. */
static void reply_image_error(const struct request *r, struct node *node,
			      int error)
{
	reply_error(r, error_for_client(node, error));
}

/* Copies the argument of size bytes.  If it is shorter, answers EINVAL. */
static bool parse(const struct request *r, void *ret, size_t size)
{
	if (r->arg_size < size) {
		reply_error(r, -EINVAL);
		return false;
	}
	memcpy(ret, r->arg, size);
	return true;
}

/* The image of an open file; null after an error was answered. */
static struct node *find_file(const struct request *r, uint64_t handle)
{
	struct node *node;
	int e = server_find_file(r->in->nodeid, handle, &node);

	if (e == 0)
		return node;
	reply_error(r, e);
	return NULL;
}

static void handle_read(const struct request *r)
{
	struct fuse_read_in arg;
	struct node *node;
	ssize_t n;

	if (!parse(r, &arg, sizeof arg) || !(node = find_file(r, arg.fh)))
		return;
	/* The answer to INIT limits reads to REQUEST_MAX. */
	if (arg.size > REQUEST_MAX) {
		reply_error(r, -EINVAL);
		return;
	}
	n = view_read(node->image, r->reply, arg.offset, arg.size);
	if (n < 0)
		reply_image_error(r, node, (int)n);
	else
		raw_reply(r->in->unique, 0, r->reply, n);
}

/*
 * Answers with success after the kernel's page cache holds no old bytes of
 * [off, off + len).
 */
static void reply_changed(const struct request *r, const struct node *node,
			  uint64_t off, uint64_t len, ssize_t written)
{
	if (atomic_load(&node->cached_opens))
		invalidate_and_reply(r->in->unique, node->number, off, len,
				     written);
	else
		raw_reply_changed(r->in->unique, written);
}

/*
 * Writes, and syncs where the kernel asks for it.  The kernel marks each write
 * that must be durable when it is answered (O_SYNC, O_DSYNC, RWF_DSYNC), and
 * sends no fsync of its own for a file that is open for direct I/O.
 */
static ssize_t write_image(struct node *node, const struct fuse_write_in *arg,
			   const char *data)
{
	ssize_t n = view_write(node->image, data, arg->offset, arg->size);
	int r = 0;

	if (n > 0 && arg->flags & (O_SYNC | O_DSYNC))
		r = view_flush(node->image);
	return r < 0 ? r : n;
}

static void handle_write(const struct request *r)
{
	struct fuse_write_in arg;
	struct node *node;
	ssize_t n;

	if (!parse(r, &arg, sizeof arg) || !(node = find_file(r, arg.fh)))
		return;
	if (arg.size > r->arg_size - sizeof arg) {
		reply_error(r, -EINVAL);
		return;
	}
	n = write_image(node, &arg, r->arg + sizeof arg);
	if (n == -EFBIG)
		reply_error(r, -EFBIG); /* past the end of the disk */
	else if (n < 0)
		reply_image_error(r, node, (int)n);
	else if (arg.write_flags & FUSE_WRITE_CACHE)
		/* Write-back of a shared mapping: the page cache has these
		 * bytes, and an invalidation may wait for this answer. */
		raw_reply_changed(r->in->unique, n);
	else
		reply_changed(r, node, arg.offset, arg.size, n);
}

/* 0 to punch, 1 to zero, or an error. */
static int fallocate_kind(struct node *node,
			  const struct fuse_fallocate_in *arg)
{
	bool keep_size = arg->mode & FALLOC_FL_KEEP_SIZE;
	bool zero = (arg->mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE;

	if (arg->mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return 0;
	/* It would change the size of the view. */
	if ((zero || !arg->mode) && !keep_size &&
	    arg->offset + arg->length > view_size(node->image))
		return -EPERM;
	return zero ? 1 : -EOPNOTSUPP;
}

static void handle_fallocate(const struct request *r)
{
	struct fuse_fallocate_in arg;
	struct node *node;
	int kind, e;

	if (!parse(r, &arg, sizeof arg) || !(node = find_file(r, arg.fh)))
		return;
	kind = fallocate_kind(node, &arg);
	if (kind < 0) {
		reply_error(r, kind);
		return;
	}
	e = view_zero(node->image, arg.offset, arg.length, kind == 0);
	if (e < 0)
		reply_image_error(r, node, e);
	else
		reply_changed(r, node, arg.offset, arg.length, -1);
}

void fast_path_handle(void *request, size_t n, char *reply)
{
	struct request r = {
		.in = request,
		.arg = (const char *)request + sizeof *r.in,
		.arg_size = n - sizeof *r.in,
		.reply = reply,
	};
	struct fuse_buf buf = { .mem = request, .size = n };

	switch (r.in->opcode) {
	case FUSE_READ:
		handle_read(&r);
		break;
	case FUSE_WRITE:
		handle_write(&r);
		break;
	case FUSE_FALLOCATE:
		handle_fallocate(&r);
		break;
	case FUSE_FSYNCDIR:
		reply_error(&r, 0); /* nothing to sync */
		break;
	/* Names cannot be made, changed or removed through the mount. */
	case FUSE_MKNOD:
	case FUSE_MKDIR:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_SYMLINK:
	case FUSE_RENAME:
	case FUSE_RENAME2:
	case FUSE_LINK:
	case FUSE_CREATE:
		reply_error(&r, -EPERM);
		break;
	case FUSE_INTERRUPT:
		/* No request can be interrupted; the kernel sends no other. */
		reply_error(&r, -ENOSYS);
		break;
	default:
		fuse_session_process_buf(server.session, &buf);
	}
}
