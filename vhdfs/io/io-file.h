/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files on a POSIX file system as struct io. */
#ifndef VHDFS_IO_IO_FILE_H
#define VHDFS_IO_IO_FILE_H

#include <time.h>

#include "io/io.h"

/* What tells that a file was changed: all zeros for what is no file. */
struct file_stamp {
	off_t size;
	struct timespec mtime;
	struct timespec ctime;
};

/*
 * Takes fd, of a regular file or a block device, over: it is closed by
 * io_close, and by this function when it fails.  name is for messages.
 * writable says whether fd was opened for writing.  -EOPNOTSUPP for what is
 * neither a file nor a disk.
 */
int io_file_from_fd(int fd, const char *name, bool writable, struct io **ret);

/* Opens path as it is, confined to nothing: for a path that the user named. */
int io_file_open(const char *path, bool writable, struct io **ret);

/* Makes a new, empty file, mode 0666 less the umask; -EEXIST where one is. */
int io_file_create(const char *path, struct io **ret);

/*
 * Opens the file through a descriptor that the process before left
 * (recovery.h), whatever its name and permissions are now.  -ENOENT, without
 * words: there is none.
 */
int io_file_inherit(dev_t dev, ino_t ino, bool writable, struct io **ret);

/* Opens the same file again, for reading, with locks of its own. */
int io_file_reopen(const struct io *io, struct io **ret);

/* The file's stamp as it is now. -errno, without words. */
int io_file_stamp(const struct io *io, struct file_stamp *ret);
bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b);
/* The same but for attributes: the owner, the mode, the name. */
bool file_stamp_same_data(const struct file_stamp *a,
			  const struct file_stamp *b);

/*
 * Does another open file description hold an image lock on this one?  0 or 1;
 * who is filled in (and may be empty) when it does; who_size 0: do not look.
 */
int io_file_in_use(struct io *io, char *who, size_t who_size);

/* The process on this host that has the file open for writing; empty where none
 * is seen. */
void io_file_writer(const struct io *io, char *who, size_t who_size);

#endif
