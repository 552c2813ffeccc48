/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image file I/O: the part that all back-ends share.  Messages, and fallbacks
 * for operations that a back-end or file system does not support.
 */
#include "config.h"

#include "io/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/*
 * The chunk of io_write_chunked.  The kernel caches the data of one write in
 * folios as large as the write, and ext4 checks each 4 KiB of a folio at every
 * later write to it.  Chunks of 64 KiB are nearly as fast as one large write,
 * and later writes of 4 KiB are a fifth faster than with folios of 1 MiB.
 */
enum { CHUNK_SIZE = 64 << 10 };

int io_init(struct io *io, const struct io_ops *ops, const char *name,
	    bool writable)
{
	*io = (struct io){
		.ops = ops, .name = strdup(name), .writable = writable, .fd = -1
	};
	return io->name ? 0 : fail(-ENOMEM, "%s: out of memory", name);
}

void io_fini(struct io *io)
{
	free(io->name);
}

static int fail_io(struct io *io, int code, const char *operation, uint64_t len,
		   uint64_t off)
{
	return fail_errno(code,
			  "%s: %s of %" PRIu64 " bytes at offset %" PRIu64,
			  io->name, operation, len, off);
}

int io_read(struct io *io, void *buf, size_t len, uint64_t off)
{
	ssize_t n = io->ops->pread(io, buf, len, off);

	if (n < 0)
		return fail_io(io, (int)n, "read", len, off);
	if ((size_t)n < len)
		return fail_found(-EBADMSG, io->name, "file", off,
				  format_arg("%zu bytes", len),
				  "the end of the file after %zd", n);
	return 0;
}

int io_read_padded(struct io *io, void *buf, size_t len, uint64_t off)
{
	ssize_t n = io->ops->pread(io, buf, len, off);

	if (n < 0)
		return fail_io(io, (int)n, "read", len, off);
	memset((char *)buf + n, 0, len - n);
	return 0;
}

int io_write(struct io *io, const void *buf, size_t len, uint64_t off)
{
	int r = io->ops->pwrite ? io->ops->pwrite(io, buf, len, off)
				: -EOPNOTSUPP;

	return r < 0 ? fail_io(io, r, "write", len, off) : 0;
}

int io_write_chunked(struct io *io, const void *buf, size_t len, uint64_t off)
{
	int r = 0;

	while (r == 0 && len) {
		size_t n = min_u64(len, CHUNK_SIZE - off % CHUNK_SIZE);

		r = io_write(io, buf, n, off);
		buf = (const char *)buf + n;
		off += n;
		len -= n;
	}
	return r;
}

int io_sync(struct io *io)
{
	int r;

	if (atomic_load(&io->sync_failed))
		return fail(-EIO,
			    "%s: an earlier sync failed, and writes before it "
			    "may be lost; close the file and open it again",
			    io->name);
	r = io->ops->sync ? io->ops->sync(io) : -EOPNOTSUPP;
	if (r == 0)
		return 0;
	atomic_store(&io->sync_failed, true);
	return fail_errno(r, "%s: sync", io->name);
}

int io_size(struct io *io, uint64_t *ret_size)
{
	int r = io->ops->size(io, ret_size);

	return r < 0 ? fail_errno(r, "%s: reading its size", io->name) : 0;
}

int io_resize(struct io *io, uint64_t size)
{
	int r = io->ops->resize ? io->ops->resize(io, size) : -EOPNOTSUPP;

	return r < 0 ? fail_errno(r, "%s: resize to %" PRIu64 " bytes",
				  io->name, size)
		     : 0;
}

static int write_zeros(struct io *io, uint64_t off, uint64_t len)
{
	static const uint8_t zeros[64 * 1024];

	while (len) {
		size_t n = min_u64(len, sizeof zeros);
		int r = io_write(io, zeros, n, off);

		if (r < 0)
			return r;
		off += n;
		len -= n;
	}
	return 0;
}

int io_zero(struct io *io, uint64_t off, uint64_t len, bool keep)
{
	int r = io->ops->punch ? io->ops->punch(io, off, len, keep)
			       : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		return write_zeros(io, off, len);
	return r < 0 ? fail_io(io, r, "zeroing", len, off) : 0;
}

/* Writes the content of a range back, which allocates its space. */
static int rewrite(struct io *io, uint64_t off, uint64_t len)
{
	uint8_t buf[4096];
	int r = 0;

	while (r == 0 && len) {
		size_t n = min_u64(len, sizeof buf);

		r = io_read_padded(io, buf, n, off);
		if (r == 0)
			r = io_write(io, buf, n, off);
		off += n;
		len -= n;
	}
	return r;
}

int io_reserve(struct io *io, uint64_t off, uint64_t len)
{
	int r = io->ops->reserve ? io->ops->reserve(io, off, len) : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		return rewrite(io, off, len);
	return r < 0 ? fail_io(io, r, "allocation", len, off) : 0;
}

/*
 * Whether off is in the last data that was found.  A hole that another program
 * makes there, or the two numbers of two findings, only make a hole look like
 * data, which is a correct result.
 */
static bool is_found_data(struct io *io, uint64_t off, uint64_t *ret_len)
{
	uint64_t end = atomic_load(&io->data_end);

	if (io->writable || off < atomic_load(&io->data_start) || off >= end)
		return false;
	*ret_len = end - off;
	return true;
}

static int find_extent(struct io *io, uint64_t off, bool *ret_data,
		       uint64_t *ret_len)
{
	uint64_t size;
	int r = io->ops->extent ? io->ops->extent(io, off, ret_data, ret_len)
				: -EOPNOTSUPP;

	if (r != -EOPNOTSUPP)
		return r < 0 ? fail_errno(r,
					  "%s: finding a hole from offset "
					  "%" PRIu64,
					  io->name, off)
			     : 0;
	r = io_size(io, &size);
	if (r < 0)
		return r;
	*ret_data = true;
	*ret_len = size - off;
	return 0;
}

int io_extent(struct io *io, uint64_t off, bool *ret_data, uint64_t *ret_len)
{
	int r;

	if (is_found_data(io, off, ret_len)) {
		*ret_data = true;
		return 0;
	}
	r = find_extent(io, off, ret_data, ret_len);
	if (r == 0 && *ret_data) {
		atomic_store(&io->data_start, off);
		atomic_store(&io->data_end, off + *ret_len);
	}
	return r;
}

/* io_space where only data and holes are known. */
static int space_of_data(struct io *io, uint64_t off, enum io_space *ret,
			 uint64_t *ret_len)
{
	uint64_t size;
	bool data = false;
	int r = io_size(io, &size);

	*ret_len = UINT64_MAX;
	if (r == 0 && off < size)
		r = io_extent(io, off, &data, ret_len);
	*ret = data ? IO_SPACE_OWN : IO_SPACE_NONE;
	return r;
}

int io_space(struct io *io, uint64_t off, uint64_t len, enum io_space *ret,
	     uint64_t *ret_len)
{
	int r = io->ops->space ? io->ops->space(io, off, len, ret, ret_len)
			       : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		r = space_of_data(io, off, ret, ret_len);
	else if (r < 0)
		return fail_io(io, r, "finding the space", len, off);
	*ret_len = min_u64(*ret_len, len);
	return r;
}

int io_fail_in_use(const struct io *io, const char *holder)
{
	return fail(-EBUSY,
		    "%s: the image is in use%s; shut its client down or end "
		    "that program, then try again",
		    io->name, holder);
}

int io_lock(struct io *io, enum io_lock lock)
{
	char holder[192] = "";
	int r = io->ops->lock ? io->ops->lock(io, lock, holder, sizeof holder)
			      : 0;

	if (r == -EBUSY)
		return io_fail_in_use(io, holder);
	return r < 0 ? fail_errno(r, "%s: lock", io->name) : 0;
}

void io_close(struct io *io)
{
	io->ops->close(io);
}
