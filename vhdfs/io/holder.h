/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holders: which process on this host locks a file, or has it open for writing.
 * The kernel does not say it of open-file-description locks; /proc does.
 */
#ifndef VHDFS_IO_HOLDER_H
#define VHDFS_IO_HOLDER_H

#include <stddef.h>

/* The bytes of an image file that lock it; see io-file.c. */
enum { LOCK_FIRST = 100, LOCK_COUNT = 200 };

/*
 * "NAME (process N)" of the first process that has one of these bytes of fd's
 * file locked through another descriptor, or has the file open for writing;
 * "loop device /dev/loopN" where the kernel has it open so; else "".  Any
 * thread may call them.
 */
void holder_of_locks(int fd, char *who, size_t who_size);
void holder_of_writes(int fd, char *who, size_t who_size);

#endif
