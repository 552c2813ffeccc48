/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reserve: free space of the store's file system that guests' writes must leave
 * free, so that flushes, and the programs that repair a full store, have room.
 *
 * While less than the reserve is free, a write that needs space fails with
 * ENOSPC; one to blocks that the file has goes on (chain/space-need.h).  A
 * flush writes tables in place.  On most file systems this needs no new space.
 * On one that copies on write (btrfs, bcachefs, ZFS, NILFS) it does, and an
 * image whose flush finds no space takes no more writes.  There every write
 * needs space.
 *
 * Writes take from a budget, which is granted from the free space: half of what
 * is above the reserve, so that writes that have taken space and are still
 * running leave it free, too; and not more than a small part of the reserve,
 * because other programs write to the file system as well.  At the end of the
 * space the last writes may begin just above the reserve, and take as much as
 * the threads of the mount write at once.
 *
 * Some file systems report as free what data in the page cache will need. There
 * the writes since the last syncfs are subtracted, and when the rest is below
 * the reserve syncfs runs before a write is refused.  No timer is used.
 *
 * THREADS: reserve_take may be called from any thread, with no lock held that
 * HACKING's order has behind reserve.lock.
 */
#ifndef VHDFS_STORE_RESERVE_H
#define VHDFS_STORE_RESERVE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a mount's root directory: how many bytes it keeps, in decimal. */
#define RESERVE_ATTRIBUTE "user.vhdfs.reserve"

/* The default size: a hundredth of the file system, at most 4 GiB. */
#define RESERVE_DEFAULT UINT64_MAX

struct reserve {
	const char *name;       /* the store's path for messages; not owned */
	int fd;                 /* of its directory; owned */
	uint64_t size;          /* bytes to leave free; 0: none */
	bool copies_on_write;   /* every write needs space */
	bool counts_cached;     /* its free space is less what is cached */
	_Atomic int64_t budget; /* bytes granted and not yet written */
	pthread_mutex_t lock;
	/* Granted since the last syncfs; 0 if counts_cached.  Under lock. */
	uint64_t unsynced;
};

/* fd: a descriptor of the store's directory, O_PATH or not; stays the caller's.
 * size: bytes, or RESERVE_DEFAULT.  Logs the reserve.  0 or -errno with a
 * message.
 */
int reserve_init(struct reserve *reserve, int fd, const char *name,
		 uint64_t size);
void reserve_fini(struct reserve *reserve);

/* Takes space for a guest's write of len bytes.  0, or -ENOSPC with a message:
 * the write may go on if it needs no space, and copies_on_write is not set. */
int reserve_take(struct reserve *reserve, uint64_t len);

#endif
