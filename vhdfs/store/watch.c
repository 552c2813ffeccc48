/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Watches: inotify descriptors of the store's directories.
 *
 * A directory is polled, i.e. read again every WATCH_POLL_SECONDS, where the
 * kernel does not see all changes (network file systems) or has no watch left.
 */
#include "config.h"

#include "store/watch.h"

#include <errno.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#include "base/log.h"

/* Not in linux/magic.h. */
enum {
	MAGIC_CIFS = 0xff534d42,
	MAGIC_SMB2 = 0xfe534d42,
	MAGIC_GFS2 = 0x01161970,
	MAGIC_LUSTRE = 0x0bd00bd0,
	MAGIC_GPFS = 0x47504653,
};

enum {
	EVENTS = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
		 IN_ATTRIB | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF |
		 IN_ONLYDIR,
};

static int add_watch(struct store *store, int fd)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return inotify_add_watch(store->inotify, path, EVENTS);
}

static void log_polled(const char *path)
{
	log_warn("%s: inotify: %s; the directory is read again every %d s",
		 path, strerror(errno), WATCH_POLL_SECONDS);
}

void watch_init(struct store *store)
{
	store->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (store->inotify < 0)
		log_polled(store->roots[0].path);
	/* The directories of -o parents=.  Their watches belong to no struct
	 * dir, which distinguishes their events from others. */
	for (size_t i = 1; store->inotify >= 0 && i < store->n_roots; i++)
		add_watch(store, store->roots[i].fd);
}

/* Can another machine or program change this file system unseen by the kernel?
 */
static bool is_remote(int fd)
{
	struct statfs sfs;

	if (fstatfs(fd, &sfs) < 0)
		return true;
	switch ((unsigned)sfs.f_type) {
	case NFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case MAGIC_CIFS:
	case MAGIC_SMB2:
	case CEPH_SUPER_MAGIC:
	case MAGIC_GFS2:
	case OCFS2_SUPER_MAGIC:
	case MAGIC_LUSTRE:
	case MAGIC_GPFS:
	case AFS_SUPER_MAGIC:
	case CODA_SUPER_MAGIC:
	case V9FS_MAGIC:
	case FUSE_SUPER_MAGIC:
		return true;
	default:
		return false;
	}
}

void watch_add_locked(struct store *store, struct dir *dir)
{
	dir->watch = store->inotify < 0 ? -1 : add_watch(store, dir->fd);
	if (store->inotify >= 0 && dir->watch < 0)
		log_polled(dir->path);
	dir->polled = dir->watch < 0 || is_remote(dir->fd);
}

void watch_remove_locked(struct store *store, struct dir *dir)
{
	if (dir->watch < 0)
		return;
	/* A directory that several links lead to has one watch. */
	for (struct dir *d = store->dirs; d; d = d->next)
		if (d != dir && d->watch == dir->watch)
			return;
	inotify_rm_watch(store->inotify, dir->watch);
}

int watch_bytes_waiting(const struct store *store)
{
	int n = 0;

	if (store->inotify < 0 || ioctl(store->inotify, FIONREAD, &n) < 0)
		return 0;
	return n;
}
