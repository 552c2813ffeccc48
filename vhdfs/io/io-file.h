/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image file I/O on regular files and block devices. */
#ifndef VHDFS_IO_IO_FILE_H
#define VHDFS_IO_IO_FILE_H

#include <time.h>

#include "io/io.h"

/* The present absolute path of fd's file; the caller frees it.  Null: out of
 * memory, or /proc cannot be read. */
char *fd_path(int fd);
/* Opens fd's file once more, through /proc, whatever its path is now: a new
 * open file description.  A descriptor or -errno, without a message. */
int fd_reopen(int fd, int flags);

/* Detects a change of a file.  All zeros if the back-end has no descriptor. */
struct file_stamp {
	off_t size;
	struct timespec mtime;
	struct timespec ctime;
};

/*
 * Takes ownership of fd: io_close closes it, and this function if it fails.
 * name is used in messages.  writable: fd is open for writing.  -EOPNOTSUPP if
 * fd is not a regular file or block device.
 */
int io_file_from_fd(int fd, const char *name, bool writable, struct io **ret);

/* Opens a path that the user named: no restriction to a directory. */
int io_file_open(const char *path, bool writable, struct io **ret);

/*
 * Opens a file through the descriptor that the predecessor registered
 * (recovery.h): the file's present name and permissions do not matter.
 * -ENOENT without a message: no such file is registered.
 */
int io_file_inherit(dev_t dev, ino_t ino, bool writable, struct io **ret);

/*
 * As io_lock, but leaves the file out of the recovery memory: it was created
 * just now, and a failed sync of it loses nothing yet; or the lock is short.
 */
int io_file_lock_unregistered(struct io *io, enum io_lock lock);

/* Opens the same file once more, for reading, with its own locks. */
int io_file_reopen(const struct io *io, struct io **ret);

/* The file's present stamp.  -errno without a message. */
int io_file_stamp(const struct io *io, struct file_stamp *ret);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);
/* Ignores changes of attributes: owner, mode, name. */
bool file_stamp_same_data(const struct file_stamp *a,
			  const struct file_stamp *b);

/*
 * Returns 1 if another open file description has an image lock on the file,
 * else 0.  holder: " by COMMAND (process N)", or ""; size 0: not wanted.
 */
int io_file_in_use(struct io *io, char *holder, size_t size);

#endif
