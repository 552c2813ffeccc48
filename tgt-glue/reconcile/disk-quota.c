/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quota of a disk's image: the difference from fleet.conf, and its removal. */
#include "config.h"

#include "tgt-glue/reconcile/disk-quota.h"

#include <errno.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/rootdir.h"
#include "store/quota.h"

/* The quota of an open image, 0: none.  One that is no size is none. */
static uint64_t quota_of(int fd, const char *name)
{
	uint64_t limit;

	return quota_read(fd, name, &limit) < 0 ? 0 : limit;
}

/* Opens the image if its quota is another one than that of fleet.conf, which
 * *ret_now is then.  Returns a descriptor that the caller closes; -ENOENT
 * without a message: nothing is to be done. */
static int open_different(const struct fleet *fleet, const struct disk *disk,
			  uint64_t *ret_now)
{
	_cleanup_close_ int fd = -1;

	if (!disk->has_quota)
		return -ENOENT;
	fd = root_dir_openat(&fleet->rootdir, disk->child, O_PATH);
	/* It keeps the image that it has, in the format of an earlier key. */
	if (fd < 0 && disk->kind == DISK_OWN)
		fd = root_dir_openat(&fleet->rootdir, disk->image, O_PATH);
	if (fd < 0)
		return -ENOENT;
	*ret_now = quota_of(fd, disk->child);
	return *ret_now == disk->quota ? -ENOENT : steal_fd(&fd);
}

int quota_apply(const struct fleet *fleet, const struct disk *disk)
{
	uint64_t now;
	_cleanup_close_ int fd = open_different(fleet, disk, &now);
	int r;

	if (fd < 0)
		return 0;
	r = quota_write(fd, disk->quota, 0);
	return r < 0 ? fail_errno(r,
				  "%s: attribute " QUOTA_ATTRIBUTE
				  ": it cannot be set",
				  disk->child)
		     : 1;
}

bool quota_differs(const struct fleet *fleet, const struct disk *disk,
		   uint64_t *ret_now)
{
	_cleanup_close_ int fd = open_different(fleet, disk, ret_now);

	return fd >= 0;
}
