/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open files.  A handle is the number of the request that opened the file, so
 * that an open or a release that the kernel sends again counts once.  How it
 * was opened comes with every request.  ORDER of an open, for a worker may die
 * anywhere:
 *
 *   1. the image is opened, or the open is refused: what this worker has open
 *      ends with it, and the next worker decides the request anew
 *   2. the open is recorded as granted (io/recovery.h): the next worker opens
 * the image again, and finds the answer when the request is sent again
 *   3. it is answered
 *
 * A release takes the record away first, and closes the image then: the next
 * worker finishes an image that is not closed whole (restore.c).
 *
 * Who may write gets direct I/O: the kernel caches a master's blocks once, with
 * the master's own file, and not once for each client.  Who only reads gets the
 * page cache, so that it can be mapped; what a writer changes is dropped from
 * it before the writer is answered.
 */
#include "config.h"

#include "fuse/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "fuse/fast-path.h"
#include "fuse/thread-pool.h"
#include "io/recovery.h"
#include "store/view.h"

/* The kernel's and libc's names for these are the same. */
#ifndef FALLOC_FL_KEEP_SIZE
#include <linux/falloc.h>
#endif

/* A client that finds the disk full goes on trying: a line a second will do. */
static void log_failure(struct server *server, struct node *node)
{
	_cleanup_free_ char *name = NULL;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (atomic_exchange(&node->logged, now.tv_sec) == now.tv_sec)
		return;
	name = store_image_name(server->store, node->image);
	/* Most words begin with the file's name themselves. */
	if (name && !strncmp(error_text(), name, strlen(name)))
		log_error("%s", error_text());
	else
		log_error("%s: %s", name ? name : "an image", error_text());
}

int failure_to_tell(struct server *server, struct node *node, int r)
{
	log_failure(server, node);
	switch (r) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
	case -EROFS:
	case -ENOMEM:
		return r;
	default:
		return -EIO;
	}
}

void reply_failure(fuse_req_t req, struct node *node, int r)
{
	reply_result(req, failure_to_tell(server_of(req), node, r));
}

struct node *request_image(fuse_req_t req, fuse_ino_t ino)
{
	struct node *node = request_node(req, ino);

	if (node && !node->image) {
		reply_result(req, -EISDIR);
		return NULL;
	}
	return node;
}

bool handle_is_lost(struct node *node, uint64_t handle)
{
	return atomic_load(&node->lost) &&
	       recovery_open_state(handle) == RECOVERY_OPEN_LOST;
}

struct node *request_file(fuse_req_t req, fuse_ino_t ino,
			  const struct fuse_file_info *fi)
{
	struct node *node = request_image(req, ino);

	if (!node || !handle_is_lost(node, fi->fh))
		return node;
	reply_result(req, -EIO);
	return NULL;
}

static bool opened_for_writing(const struct fuse_file_info *fi)
{
	return (fi->flags & O_ACCMODE) != O_RDONLY;
}

#ifdef HAVE_STRUCT_FUSE_FILE_INFO_PARALLEL_DIRECT_WRITES
static int reply_open(fuse_req_t req, struct fuse_file_info *fi)
{
	fi->parallel_direct_writes = fi->direct_io;
	return fuse_reply_open(req, fi);
}
#else
/*
 * This libfuse has no name for FOPEN_PARALLEL_DIRECT_WRITES, without which the
 * kernel sends one write at a time; so the answer is made here.
 */
static int reply_open(fuse_req_t req, struct fuse_file_info *fi)
{
	struct fuse_open_out out = { .fh = fi->fh,
				     .open_flags = FOPEN_NOFLUSH };

	if (fi->direct_io)
		out.open_flags = FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES;
	return fuse_reply_buf(req, (const char *)&out, sizeof out);
}
#endif

/* Does nothing where it was released before. */
static void release(struct server *server, struct node *node,
		    const struct fuse_file_info *fi)
{
	bool writable = opened_for_writing(fi);
	bool lost = handle_is_lost(node, fi->fh);

	if (recovery_open_remove(fi->fh) > 0)
		return;
	if (!writable)
		atomic_fetch_sub(&node->cached, 1);
	if (lost)
		atomic_fetch_sub(&node->lost, 1);
	else if (view_close(server->store, node->image, writable) < 0)
		log_error("%s", error_text());
}

/* Words that say more than the errno, and were not said before. */
static void log_refusal(struct server *server, struct node *node, int r)
{
	_cleanup_free_ char *known = NULL;

	if (r == -EACCES || r == -ESTALE || r == -EPERM)
		return;
	if (store_attribute(server->store, node->image, "error", &known) == 0)
		return;
	log_error("%s", error_text());
}

/* Records that it was granted. */
static int keep_open(struct node *node, const struct fuse_file_info *fi)
{
	dev_t dev;
	ino_t ino;

	store_image_file(node->image, &dev, &ino);
	return recovery_open_add(fi->fh, dev, ino, opened_for_writing(fi));
}

static int open_image(struct server *server, struct node *node, int flags)
{
	bool writable = (flags & O_ACCMODE) != O_RDONLY;
	struct error why;
	int r;

	if (writable && server->read_only)
		return -EROFS;
	r = view_open(server->store, node->image, writable);
	if (r < 0) {
		why = *error_last();
		log_refusal(server, node, r);
		error_set(&why);
		return r;
	}
	/* Only now: what cannot be written is to be told first. */
	if ((flags & O_TRUNC) && view_size(node->image)) {
		view_close(server->store, node->image, writable);
		return -EPERM;
	}
	return 0;
}

static int open_anew(struct server *server, struct node *node,
		     const struct fuse_file_info *fi)
{
	int r = open_image(server, node, fi->flags); /* 1 */

	if (r < 0)
		return r;
	r = keep_open(node, fi); /* 2 */
	if (r < 0) {
		view_close(server->store, node->image, opened_for_writing(fi));
	} else if (!opened_for_writing(fi)) {
		/* The kernel drops what it has cached at each open. */
		atomic_store(&node->changes, view_silent_changes(node->image));
		atomic_fetch_add(&node->cached, 1);
	}
	return r;
}

static int open_once(struct server *server, struct node *node,
		     const struct fuse_file_info *fi)
{
	switch (recovery_open_state(fi->fh)) {
	case RECOVERY_OPEN_GRANTED:
		return 0;
	case RECOVERY_OPEN_LOST:
		/* The caller has no handle of it yet. */
		release(server, node, fi);
		return -EIO;
	default:
		return open_anew(server, node, fi);
	}
}

static void request_open(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	struct server *server = server_of(req);
	struct node *node = request_image(req, ino);
	bool writable = opened_for_writing(fi);
	int r;

	if (!node)
		return;
	fi->fh = thread_pool_request_id();
	r = open_once(server, node, fi);
	if (r < 0) {
		reply_result(req, r);
		return;
	}
	fi->direct_io = writable;
	fi->noflush = !writable;
	/* Then whoever wanted it has gone, and there will be no release. */
	if (reply_open(req, fi) < 0)
		release(server, node, fi);
}

static void request_release(fuse_req_t req, fuse_ino_t ino,
			    struct fuse_file_info *fi)
{
	struct node *node = request_image(req, ino);

	if (!node)
		return;
	release(server_of(req), node, fi);
	reply_result(req, 0);
}

static void request_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			 struct fuse_file_info *fi)
{
	struct node *node = request_file(req, ino, fi);
	_cleanup_free_ char *large = NULL;
	char *buf;
	ssize_t n;

	if (!node)
		return;
	buf = size > REQUEST_MAX ? (large = malloc(size))
				 : thread_pool_reply_buffer();
	if (!buf) {
		reply_result(req, -ENOMEM);
		return;
	}
	n = view_read(node->image, buf, (uint64_t)off, size);
	if (n < 0)
		reply_failure(req, node, (int)n);
	else
		fuse_reply_buf(req, buf, n);
}

/* Answers with success, once nobody can see the old bytes any more. */
static void reply_changed(fuse_req_t req, struct node *node, off_t off,
			  uint64_t len, ssize_t written)
{
	if (atomic_load(&node->cached))
		invalidate_and_reply(server_of(req)->invalidator, req,
				     node->number, (uint64_t)off, len, written);
	else if (written < 0)
		reply_result(req, 0);
	else
		fuse_reply_write(req, written);
}

/*
 * The kernel says with each write whether it is to be safe when it is answered
 * (O_SYNC, O_DSYNC, RWF_DSYNC), and sends no fsync of its own for a file that
 * is open for direct I/O.
 */
static int sync_write(struct node *node, const struct fuse_file_info *fi)
{
	return fi->flags & (O_SYNC | O_DSYNC) ? view_flush(node->image) : 0;
}

static void request_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
			  size_t size, off_t off, struct fuse_file_info *fi)
{
	struct node *node = request_file(req, ino, fi);
	ssize_t n;

	if (!node)
		return;
	n = fast_path_written();
	if (n < 0)
		n = view_write(node->image, buf, (uint64_t)off, size);
	if (n > 0) {
		int r = sync_write(node, fi);

		if (r < 0)
			n = r;
	}
	if (n == -EFBIG)
		reply_result(req, -EFBIG);
	else if (n < 0)
		reply_failure(req, node, (int)n);
	else if (fi->writepage)
		/* From the cache itself, of a shared mapping.  Who drops pages
		 * may be waiting for this very answer. */
		fuse_reply_write(req, n);
	else
		reply_changed(req, node, off, size, n);
}

static void flush(fuse_req_t req, fuse_ino_t ino,
		  const struct fuse_file_info *fi,
		  int (*how)(struct store_image *image))
{
	struct node *node = request_file(req, ino, fi);
	int r;

	if (!node)
		return;
	r = how(node->image);
	if (r < 0)
		reply_failure(req, node, r);
	else
		reply_result(req, 0);
}

/* Of a file that was open for writing, when it is closed: what takes long is
 * done now, not behind the back of who closed it (release comes later). */
static void request_flush(fuse_req_t req, fuse_ino_t ino,
			  struct fuse_file_info *fi)
{
	flush(req, ino, fi, view_flush_on_close);
}

static void request_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
			  struct fuse_file_info *fi)
{
	(void)datasync;
	flush(req, ino, fi, view_flush);
}

static void request_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
			     struct fuse_file_info *fi)
{
	(void)ino, (void)datasync, (void)fi;
	reply_result(req, 0);
}

/* 0 to punch, 1 to zero, or an error. */
static int fallocate_kind(struct node *node, int mode, off_t off, off_t len)
{
	bool zero = (mode & ~FALLOC_FL_KEEP_SIZE) == FALLOC_FL_ZERO_RANGE;

	if (mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE))
		return 0;
	/* A change of size, which would be the answer to what else it asks. */
	if ((zero || !mode) && !(mode & FALLOC_FL_KEEP_SIZE) &&
	    (uint64_t)off + (uint64_t)len > view_size(node->image))
		return -EPERM;
	return zero ? 1 : -EOPNOTSUPP;
}

static void request_fallocate(fuse_req_t req, fuse_ino_t ino, int mode,
			      off_t off, off_t len, struct fuse_file_info *fi)
{
	struct node *node = request_file(req, ino, fi);
	int kind, r;

	if (!node)
		return;
	kind = fallocate_kind(node, mode, off, len);
	if (kind < 0) {
		reply_result(req, kind);
		return;
	}
	r = view_zero(node->image, (uint64_t)off, (uint64_t)len, kind == 0);
	if (r < 0)
		reply_failure(req, node, r);
	else
		reply_changed(req, node, off, (uint64_t)len, -1);
}

static void request_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
			  struct fuse_file_info *fi)
{
	struct node *node = request_file(req, ino, fi);
	uint64_t found;
	int r;

	if (!node)
		return;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		r = -EINVAL;
	else if (off < 0)
		r = -ENXIO;
	else
		r = view_seek(node->image, (uint64_t)off, whence, &found);
	if (r == 0)
		fuse_reply_lseek(req, (off_t)found);
	else if (r == -ENXIO || r == -EINVAL)
		reply_result(req, r);
	else
		reply_failure(req, node, r);
}

void requests_of_files(struct fuse_lowlevel_ops *ops)
{
	ops->open = request_open;
	ops->release = request_release;
	ops->read = request_read;
	ops->write = request_write;
	ops->flush = request_flush;
	ops->fsync = request_fsync;
	ops->fsyncdir = request_fsyncdir;
	ops->fallocate = request_fallocate;
	ops->lseek = request_lseek;
}
