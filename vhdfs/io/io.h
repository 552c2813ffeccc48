/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image file I/O: struct io is one open image file, and all access to image
 * files goes through it.
 *
 * Back-ends implement struct io_ops: files (io-file.h), and in the tests
 * memory, fault injection and recording.
 *
 * Offsets and lengths are bytes.
 *
 * THREADS: pread, pwrite, sync, size, punch, reserve, extent and space may be
 * called from several threads at once on the same struct io; resize, lock and
 * close may not.
 *
 * SYNCS.  The kernel reports a failed write-back to one sync only, and marks
 * the pages that it could not write as clean.  A second sync would succeed
 * although the data is lost.  So after a failed sync every later sync on the
 * same struct io fails.
 */
#ifndef VHDFS_IO_IO_H
#define VHDFS_IO_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"
#include "io/file-id.h"

struct io;
struct recovery_file;

/* What a write finds at an offset of a file. */
enum io_space {
	IO_SPACE_NONE,   /* a hole, or past the end: the file grows */
	IO_SPACE_SHARED, /* blocks that another file shares: it gets others */
	IO_SPACE_OWN,    /* blocks of this file alone: no more are needed */
};

/* A lock on the whole file against other processes (see io-file.c). */
enum io_lock {
	IO_LOCK_NONE,
	IO_LOCK_SHARED, /* other processes may read, not write */
	IO_LOCK_EXCLUSIVE,
};

/*
 * The operations of a back-end.  They return a negative errno on failure,
 * without a message: the io_ functions below set it.  All but pread, size and
 * close may be null, which means -EOPNOTSUPP (lock: success).
 */
struct io_ops {
	/* Reads up to len bytes; fewer only at the end of the file.  Returns
	 * the number of bytes read. */
	ssize_t (*pread)(struct io *io, void *buf, size_t len, uint64_t off);
	/* Writes all bytes or fails; extends the file if needed. */
	int (*pwrite)(struct io *io, const void *buf, size_t len, uint64_t off);
	/* Makes all completed writes, and the size, durable. */
	int (*sync)(struct io *io);
	int (*size)(struct io *io, uint64_t *ret_size);
	/* New bytes read as zeros. */
	int (*resize)(struct io *io, uint64_t size);
	/*
	 * Makes a range inside the file read as zeros.  Its space is freed, or
	 * stays allocated if keep is set.
	 */
	int (*punch)(struct io *io, uint64_t off, uint64_t len, bool keep);
	/*
	 * Allocates the space of a range inside the file, so that a write to it
	 * does not fail with -ENOSPC.  Does not change the content.
	 */
	int (*reserve)(struct io *io, uint64_t off, uint64_t len);
	/*
	 * Tells whether data or a hole begins at off (inside the file), and its
	 * length.  "Data up to the end" is always a correct result.
	 */
	int (*extent)(struct io *io, uint64_t off, bool *ret_data,
		      uint64_t *ret_len);
	/*
	 * Tells what a write to [off, off + len) finds at off, and for how many
	 * of these bytes: at least one.  Space that is allocated and not
	 * written counts, also that of data in the page cache.
	 */
	int (*space)(struct io *io, uint64_t off, uint64_t len,
		     enum io_space *ret, uint64_t *ret_len);
	/*
	 * Replaces the lock of this struct io.  -EBUSY if another one
	 * conflicts: holder is " by " and its process, or "".
	 */
	int (*lock)(struct io *io, enum io_lock lock, char *holder,
		    size_t size);
	void (*close)(struct io *io);
};

/* The first member of a back-end's own structure. */
struct io {
	const struct io_ops *ops;
	char *name; /* for messages: the path as the user knows it; owned */
	bool writable;
	int fd;    /* -1 for a back-end without a descriptor */
	dev_t dev; /* with ino, the file's identity; 0: none */
	ino_t ino;
	atomic_bool sync_failed;
	/* Of the last data that io_extent found, if the file is not writable:
	 * where it begins, and its end. */
	_Atomic uint64_t data_start, data_end;
	/* The registered file; null before it is locked, and in a process
	 * without recovery memory (io/recovery.h). */
	struct recovery_file *recovery;
};

static inline struct file_id io_file_id(const struct io *io)
{
	return (struct file_id){ io->dev, io->ino };
}

/* For back-ends: initialises the common part; copies name.  0 or -ENOMEM. */
int io_init(struct io *io, const struct io_ops *ops, const char *name,
	    bool writable);
/* For back-ends: releases the common part. */
void io_fini(struct io *io);

/*
 * The functions for all other code.  A failure sets the message
 * ("NAME: read of 512 bytes at offset 0: ...").
 */

/* Reads exactly len bytes; -EBADMSG if the file ends before. */
int io_read(struct io *io, void *buf, size_t len, uint64_t off);
/* Reads len bytes; beyond the end of the file they are zeros. */
int io_read_padded(struct io *io, void *buf, size_t len, uint64_t off);
int io_write(struct io *io, const void *buf, size_t len, uint64_t off);
/*
 * As io_write, in chunks of 64 KiB: makes later small writes to the range
 * faster (see io.c).  After a failure a part may have been written.
 */
int io_write_chunked(struct io *io, const void *buf, size_t len, uint64_t off);
/* -EIO also if an earlier sync failed: see SYNCS. */
int io_sync(struct io *io);
int io_size(struct io *io, uint64_t *ret_size);
int io_resize(struct io *io, uint64_t size);
/* See io_ops.punch.  Without support by the file system it writes zeros. */
int io_zero(struct io *io, uint64_t off, uint64_t len, bool keep);
/*
 * See io_ops.reserve.  Without support by the file system it reads the range
 * and writes it back; the caller excludes other writes to the range.
 */
int io_reserve(struct io *io, uint64_t off, uint64_t len);
/*
 * See io_ops.extent.  Of a file that is not writable, data is asked for once:
 * to find the end of data, a file system looks at each of its fragments.
 */
int io_extent(struct io *io, uint64_t off, bool *ret_data, uint64_t *ret_len);
/* See io_ops.space.  Without support by the file system data has space, and a
 * hole has none; io_extent tells them apart. */
int io_space(struct io *io, uint64_t off, uint64_t len, enum io_space *ret,
	     uint64_t *ret_len);
/* See io_ops.lock.  The message of -EBUSY names the holder, if it is known. */
int io_lock(struct io *io, enum io_lock lock);
/* Sets the message of -EBUSY, which it returns.  holder: as of
 * io_file_in_use. */
int io_fail_in_use(const struct io *io, const char *holder);
void io_close(struct io *io);

DEFINE_CLEANUP(struct io *, io_close);

#endif
