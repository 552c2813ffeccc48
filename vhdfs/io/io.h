/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One open file that holds an image, and the only way to touch it.  A file, a
 * piece of memory, a fault injector or a recorder plug in as struct io_ops.
 *
 * Offsets and lengths are bytes.  pread, pwrite, sync, size, punch and reserve
 * may be called from several threads at once on the same struct io; resize,
 * lock and close may not.
 *
 * SYNCS.  The kernel tells of a failed write-back once, to one sync, and then
 * takes what it could not write for clean: the next sync would succeed and mean
 * nothing.  So after one that failed every later one on this struct io fails.
 */
#ifndef VHDFS_IO_IO_H
#define VHDFS_IO_IO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

struct io;
struct recovery_file;

/* What other processes may do while we hold the file (see io-file.c). */
enum io_lock {
	IO_LOCK_NONE,
	IO_LOCK_SHARED, /* others may read, nobody may write */
	IO_LOCK_EXCLUSIVE,
};

/*
 * All return a negative errno when they fail and set no words: the io_
 * functions below do.  Any but pread and size may be null: -EOPNOTSUPP.
 */
struct io_ops {
	/* Reads until len or the end of the file: the number of bytes read. */
	ssize_t (*pread)(struct io *io, void *buf, size_t len, uint64_t off);
	/* Writes all of it or fails; grows the file where needed. */
	int (*pwrite)(struct io *io, const void *buf, size_t len, uint64_t off);
	/* What was written before is on stable storage, the size included. */
	int (*sync)(struct io *io);
	int (*size)(struct io *io, uint64_t *ret_size);
	/* New bytes read as zeros. */
	int (*resize)(struct io *io, uint64_t size);
	/*
	 * The range, inside the file, reads as zeros after; its space is given
	 * back, or kept where keep says so.
	 */
	int (*punch)(struct io *io, uint64_t off, uint64_t len, bool keep);
	/*
	 * The range, inside the file, has its space: a write there does not
	 * answer -ENOSPC.  What it reads as stays.
	 */
	int (*reserve)(struct io *io, uint64_t off, uint64_t len);
	/*
	 * From off (inside the file): is there data or a hole, and for how many
	 * bytes?  An answer of "all data" is always right.
	 */
	int (*extent)(struct io *io, uint64_t off, bool *ret_data,
		      uint64_t *ret_len);
	/* -EBUSY when another holder is in the way; ret_who is its description
	 * or empty. Replaces the lock held before. */
	int (*lock)(struct io *io, enum io_lock lock, char *ret_who,
		    size_t who_size);
	void (*close)(struct io *io);
};

/* Embed it first in what a back-end needs. */
struct io {
	const struct io_ops *ops;
	char *name; /* for messages: the path the user knows it by; owned */
	bool writable;
	int fd;    /* for back-ends that have one, else -1 */
	dev_t dev; /* identity of the file, 0 where there is none */
	ino_t ino;
	atomic_bool sync_failed;
	/* Once it is locked, and where anything is kept: see io/recovery.h. */
	struct recovery_file *recovery;
};

/* For back-ends: fills in the common part; copies name. -ENOMEM or 0. */
int io_init(struct io *io, const struct io_ops *ops, const char *name,
	    bool writable);
/* For back-ends' close: lets go of what io_init took. */
void io_fini(struct io *io);

/*
 * The functions that the rest of the program calls.  All set the words of a
 * failure ("NAME: read of 512 bytes at offset 0: ...").
 */

/* Reads exactly len bytes; -EBADMSG where the file ends before. */
int io_read(struct io *io, void *buf, size_t len, uint64_t off);
/* Reads len bytes, zeros from the end of the file on. */
int io_read_padded(struct io *io, void *buf, size_t len, uint64_t off);
int io_write(struct io *io, const void *buf, size_t len, uint64_t off);
/* The same where nothing is kept yet and small writes may follow: in steps that
 * the kernel's page cache is best at; what fails may have written some. */
int io_write_chunked(struct io *io, const void *buf, size_t len, uint64_t off);
/* -EIO, too, when an earlier one failed: see SYNCS. */
int io_sync(struct io *io);
int io_size(struct io *io, uint64_t *ret_size);
int io_resize(struct io *io, uint64_t size);
/*
 * Makes the range read as zeros: by punching a hole, or by writing zeros where
 * the file system has no holes; keep: the space stays reserved.
 */
int io_zero(struct io *io, uint64_t off, uint64_t len, bool keep);
/*
 * See io_ops.reserve.  Where the file system cannot reserve, the range is
 * written with what it reads as; nobody else may write it meanwhile.
 */
int io_reserve(struct io *io, uint64_t off, uint64_t len);
/* See io_ops.extent. */
int io_extent(struct io *io, uint64_t off, bool *ret_data, uint64_t *ret_len);
/* -EBUSY with words that say who holds it where that is known. */
int io_lock(struct io *io, enum io_lock lock);
void io_close(struct io *io);

DEFINE_CLEANUP(struct io *, io_close);

#endif
