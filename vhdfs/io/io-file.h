/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files on a POSIX file system as struct io. */
#ifndef VHDFS_IO_IO_FILE_H
#define VHDFS_IO_IO_FILE_H

#include "io/io.h"

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
 * Does another open file description hold an image lock on this one?  0 or 1;
 * who is filled in (and may be empty) when it does; who_size 0: do not look.
 */
int io_file_in_use(struct io *io, char *who, size_t who_size);

#endif
