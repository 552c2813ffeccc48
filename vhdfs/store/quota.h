/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quota: how much space of the file system the file of one image may take.
 *
 * It is the attribute user.vhdfs.quota of the file: a size in bytes, in decimal
 * digits; as a user may write it by hand, with K, M, G or T.  No attribute, and
 * 0: no quota.  While the file would exceed it, a write that needs space fails
 * with ENOSPC, for this image alone; one to blocks that the file has goes on
 * (chain/space-need.h).
 *
 * Writes take from a budget, which is granted from what is left: half of it, so
 * that writes that have taken space and are still running leave the quota kept,
 * too.  At its end, the file may exceed it by what the mount writes to this
 * image at once.  Without a quota a write costs one atomic load.
 *
 * The attribute is read at the first write after an open, and after the file
 * system has reported a change of the file's attributes.
 */
#ifndef VHDFS_STORE_QUOTA_H
#define VHDFS_STORE_QUOTA_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUOTA_ATTRIBUTE "user.vhdfs.quota"

/* Of one image.  THREADS: any may call the functions, but for init and fini. */
struct quota {
	/* Bytes; 0: none; or UNREAD, READING (quota.c). */
	_Atomic uint64_t limit;
	_Atomic int64_t budget; /* bytes granted and not yet written */
	pthread_mutex_t lock;   /* held over fstat and fgetxattr */
};

void quota_init(struct quota *quota);
void quota_fini(struct quota *quota);

/* The attribute is to be read again before the next write. */
void quota_forget(struct quota *quota);

/*
 * Takes space for a guest's write of len bytes.  fd, name: of the image's file.
 * 0, or -ENOSPC with a message: the write may go on if the file needs no space
 * for it.
 */
int quota_take_slow(struct quota *quota, int fd, const char *name,
		    uint64_t len);
/* May there be a quota? */
static inline bool quota_applies(const struct quota *quota)
{
	return atomic_load_explicit(&quota->limit, memory_order_relaxed);
}
static inline int quota_take(struct quota *quota, int fd, const char *name,
			     uint64_t len)
{
	return quota_applies(quota) ? quota_take_slow(quota, fd, name, len) : 0;
}

/* The attribute of an open file, O_PATH or not.  -ENODATA without a message: it
 * has none. -EINVAL with a message: it is no size. */
int quota_read(int fd, const char *name, uint64_t *ret);
/* Parses len bytes of value as the attribute.  0 or -EINVAL, without a message.
 */
int quota_parse(const char *value, size_t len, uint64_t *ret);
/* Sets the attribute of an open file, O_PATH or not; limit 0 removes it. flags:
 * as setxattr. 0 or -errno, without a message. */
int quota_write(int fd, uint64_t limit, int flags);

#endif
