/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reserve: free space of the store's file system that guests' writes must leave
 * free, so that a flush has room.
 *
 * A flush writes tables in place.  On most file systems this needs no new
 * space.  On one that copies on write (btrfs, bcachefs, ZFS, NILFS) it does,
 * and an image whose flush finds no space takes no more writes.  There a
 * guest's write fails with ENOSPC while less than the reserve is free.
 *
 * The kernel's free space does not include what is still in the page cache.  So
 * the writes since the last syncfs are subtracted from it, and when the rest is
 * below the reserve syncfs runs before a write is refused.  No timer is used.
 *
 * THREADS: reserve_take may be called from any thread, with no lock held.
 */
#ifndef VHDFS_STORE_RESERVE_H
#define VHDFS_STORE_RESERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* The default size: a twentieth of a file system that copies on write, at most
 * 1 GiB; 0 on all others. */
#define RESERVE_DEFAULT UINT64_MAX

struct reserve {
	const char *name;       /* the store's path for messages; not owned */
	int fd;                 /* of its directory; owned */
	uint64_t size;          /* bytes to leave free; 0: none */
	_Atomic int64_t budget; /* bytes granted and not yet written */
	pthread_mutex_t lock;
	uint64_t unsynced; /* granted since the last syncfs; under lock */
};

/* fd: a descriptor of the store's directory, O_PATH or not; stays the caller's.
 * size: bytes, or RESERVE_DEFAULT.  Logs the reserve.  0 or -errno with a
 * message.
 */
int reserve_init(struct reserve *reserve, int fd, const char *name,
		 uint64_t size);
void reserve_fini(struct reserve *reserve);

/* Takes space for a guest's write of len bytes.  0, or -ENOSPC with a message.
 */
int reserve_take(struct reserve *reserve, uint64_t len);

#endif
