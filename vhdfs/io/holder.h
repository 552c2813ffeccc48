/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock holders: finds the process on this host that has a file locked or open
 * for writing, for the message of -EBUSY.
 *
 * F_OFD_GETLK does not return the process that holds an open-file-description
 * lock, so /proc is searched.  The result is a hint: processes of other users
 * and other hosts are not visible.
 */
#ifndef VHDFS_IO_HOLDER_H
#define VHDFS_IO_HOLDER_H

#include <stddef.h>

/* The byte range of an image file that is used for locks; see io-file.c. */
enum { LOCK_FIRST = 100, LOCK_COUNT = 200 };

/*
 * Describe a holder of fd's file in name: " by COMMAND (process N)", or
 * " by loop device /dev/loopN" for a loop device, or "" if none is found.
 * holder_of_locks finds a lock on the bytes above through another descriptor
 * than fd; holder_of_writes finds a descriptor open for writing.
 * Any thread may call them.
 */
void holder_of_locks(int fd, char *name, size_t size);
void holder_of_writes(int fd, char *name, size_t size);

#endif
