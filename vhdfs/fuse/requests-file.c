/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests on open files: open, release, flush, fsync, lseek.  Reads, writes
 * and zeroing are in fast-path.c.
 *
 * HANDLES.  A handle is the kernel's number of the open request.  When the
 * kernel sends an open or a release again, after a worker has died, the handle
 * is the same, so the request takes effect once.  The kernel repeats the open
 * flags with each request, so they are not stored.
 *
 * ORDER of an open; the worker may die after any step:
 *
 *   1. open the image, or refuse.  What the worker has open is closed when it
 *      dies, and the next worker decides the request again.
 *   2. record the open as granted (io/recovery.h).  The next worker opens the
 *      image again, and answers the request from the record when the kernel
 *      sends it again.
 *   3. answer
 *
 * A release removes the record first, and then closes the image.  The next
 * worker completes a close that was interrupted (restore.c).
 *
 * CACHING.  An open for writing gets direct I/O, so the kernel caches a
 * master's blocks once, in the master's own file, and not once for each client.
 * An open for reading uses the kernel's page cache, so that the file can be
 * mapped; a write is answered after the pages with the old bytes are dropped.
 */
#include "config.h"

#include "fuse/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "fuse/thread-pool.h"
#include "io/recovery.h"
#include "store/io-errors.h"
#include "store/view.h"

int error_for_client(struct node *node, int r)
{
	int64_t now = clock_us() / 1000000;

	io_errors_count(node->image, r);
	/* At most one line a second for an image: a client on a full disk
	 * retries at once. */
	if (atomic_exchange(&node->logged_at, now) != now) {
		view_name_error(node->image);
		log_error("%s", error_text());
	}
	return view_client_error(r);
}

static int find_image(uint64_t number, struct node **ret)
{
	int r = server_find_node(number, ret);

	return r == 0 && !(*ret)->image ? -EISDIR : r;
}

bool handle_is_lost(struct node *node, uint64_t handle)
{
	return atomic_load(&node->lost_opens) &&
	       recovery_open_state(handle) == RECOVERY_OPEN_LOST;
}

int server_find_file(uint64_t number, uint64_t handle, struct node **ret)
{
	int r = find_image(number, ret);

	return r == 0 && handle_is_lost(*ret, handle) ? -EIO : r;
}

static bool opened_for_writing(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) != O_RDONLY;
}

/* Not fuse_reply_open: before version 3.15 it cannot set
 * FOPEN_PARALLEL_DIRECT_WRITES, without which the kernel sends one write of a
 * file at a time. */
static int reply_open(fuse_req_t req, const struct fuse_file_info *fi)
{
	struct fuse_open_out out = { .fh = fi->fh };

	out.open_flags =
		opened_for_writing(fi)
			? FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES
			: FOPEN_NOFLUSH;
	return fuse_reply_buf(req, (const char *)&out, sizeof out);
}

/* Does nothing if the handle was released before. */
static void release(struct node *node, const struct fuse_file_info *fi)
{
	bool writable = opened_for_writing(fi);
	bool lost = handle_is_lost(node, fi->fh);

	if (recovery_open_remove(fi->fh) > 0)
		return;
	if (writable)
		view_rebase_release(node->image, fi->fh);
	if (!writable)
		atomic_fetch_sub(&node->cached_opens, 1);
	if (lost)
		atomic_fetch_sub(&node->lost_opens, 1);
	else if (view_close(node->image, writable) < 0)
		log_error("%s", error_text());
}

/* Logs why an open failed, unless the errno says it all, or the image is broken
 * and the log has the reason already. */
static void log_refusal(struct node *node, int r)
{
	_cleanup_free_ char *known = NULL;

	if (r == -EACCES || r == -ESTALE || r == -EPERM)
		return;
	if (store_attribute(node->image, "error", &known) == 0)
		return;
	log_error("%s", error_text());
}

static int open_image(struct node *node, int flags)
{
	bool writable = (flags & O_ACCMODE) != O_RDONLY;
	int r;

	if (writable && server.mount->options->read_only)
		return -EROFS;
	r = view_open(node->image, writable);
	if (r < 0) {
		_cleanup_(error_set) struct error saved = *error_last();

		log_refusal(node, r);
		return r;
	}
	/* Last: the errors for an image that cannot be written come first. */
	if ((flags & O_TRUNC) && view_size(node->image)) {
		view_close(node->image, writable);
		return -EPERM;
	}
	return 0;
}

static int open_first_time(struct node *node, const struct fuse_file_info *fi)
{
	const struct file_id disk = store_image_disk(node->image);
	int r = open_image(node, fi->flags); /* 1 */

	if (r < 0)
		return r;
	r = recovery_open_add(fi->fh, disk.dev, disk.ino,
			      opened_for_writing(fi)); /* 2 */
	if (r < 0) {
		view_close(node->image, opened_for_writing(fi));
	} else if (!opened_for_writing(fi)) {
		/* The kernel drops the file's cached pages at each open. */
		atomic_store(&node->silent_changes,
			     view_silent_changes(node->image));
		atomic_fetch_add(&node->cached_opens, 1);
	}
	return r;
}

static int open_once(struct node *node, const struct fuse_file_info *fi)
{
	switch (recovery_open_state(fi->fh)) {
	case RECOVERY_OPEN_GRANTED:
		return 0;
	case RECOVERY_OPEN_LOST:
		/* The open was not answered: the client has no handle. */
		release(node, fi);
		return -EIO;
	default:
		return open_first_time(node, fi);
	}
}

static void request_open(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	struct node *node;
	int r = find_image(ino, &node);

	fi->fh = thread_pool_request_id();
	if (r == 0)
		r = open_once(node, fi);
	if (r < 0) {
		reply_result(req, r);
		return;
	}
	/* On failure the client is gone, and the kernel sends no release. */
	if (reply_open(req, fi) < 0)
		release(node, fi);
}

static void request_release(fuse_req_t req, fuse_ino_t ino,
			    struct fuse_file_info *fi)
{
	struct node *node;
	int r = find_image(ino, &node);

	if (r == 0)
		release(node, fi);
	reply_result(req, r);
}

static void flush_with(fuse_req_t req, fuse_ino_t ino,
		       const struct fuse_file_info *fi,
		       int (*flush)(struct store_image *image))
{
	struct node *node;
	int r = server_find_file(ino, fi->fh, &node);

	if (r == 0 && (r = flush(node->image)) < 0)
		r = error_for_client(node, r);
	reply_result(req, r);
}

/* A client closes a file that was open for writing.  The long work is done now,
 * while close() waits; the release comes later, and close() does not wait for
 * it. */
static void request_flush(fuse_req_t req, fuse_ino_t ino,
			  struct fuse_file_info *fi)
{
	flush_with(req, ino, fi, view_flush_on_close);
}

static void request_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
			  struct fuse_file_info *fi)
{
	(void)datasync;
	flush_with(req, ino, fi, view_flush);
}

static int seek(struct node *node, off_t off, int whence, uint64_t *ret)
{
	int r;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return -EINVAL;
	r = off < 0 ? -ENXIO
		    : view_seek(node->image, (uint64_t)off, whence, ret);
	return r == 0 || r == -ENXIO ? r : error_for_client(node, r);
}

static void request_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
			  struct fuse_file_info *fi)
{
	struct node *node;
	uint64_t found;
	int r = server_find_file(ino, fi->fh, &node);

	if (r == 0)
		r = seek(node, off, whence, &found);
	if (r == 0)
		fuse_reply_lseek(req, (off_t)found);
	else
		reply_result(req, r);
}

void requests_of_files(struct fuse_lowlevel_ops *ops)
{
	ops->open = request_open;
	ops->release = request_release;
	ops->flush = request_flush;
	ops->fsync = request_fsync;
	ops->lseek = request_lseek;
}
