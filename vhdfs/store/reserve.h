/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reserve: free space of the store's file system that guests' writes leave
 * alone, so that flushes have room.
 *
 * A flush writes tables in place.  On most file systems that needs no room; on
 * one that copies on write (btrfs, bcachefs, ZFS, NILFS) it does, and an image
 * whose tables find none takes no more writes.  So there a guest's write
 * answers ENOSPC while less than the reserve is free.
 *
 * What the kernel says is free does not count what is still in the page cache.
 * So the writes since the last syncfs are subtracted, and when the rest falls
 * below the reserve, syncfs comes first.  No clock decides.
 *
 * THREADS: reserve_take may be called from any thread.
 */
#ifndef VHDFS_STORE_RESERVE_H
#define VHDFS_STORE_RESERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* The size that follows from the file system: 0 where it writes in place, else
 * a twentieth of it, 1 GiB at most. */
#define RESERVE_DEFAULT UINT64_MAX

struct reserve {
	const char *name;       /* of the store, for messages; not owned */
	int fd;                 /* of its directory; owned */
	uint64_t size;          /* bytes to be left alone; 0: none */
	_Atomic int64_t budget; /* bytes that may be written unasked */
	pthread_mutex_t lock;
	uint64_t unsynced; /* granted since the last syncfs; under lock */
};

/* dir: a descriptor of the store's directory, O_PATH or not.  size: bytes, or
 * RESERVE_DEFAULT.  Logs what is reserved and why.  -errno with words. */
int reserve_init(struct reserve *reserve, int fd, const char *name,
		 uint64_t size);
void reserve_fini(struct reserve *reserve);

/* Asks for room for a guest's write of len bytes.  -ENOSPC with words. */
int reserve_take(struct reserve *reserve, uint64_t len);

#endif
