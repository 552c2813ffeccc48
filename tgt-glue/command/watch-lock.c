/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lock that a running watch holds. */
#include "config.h"

#include "tgt-glue/command/watch-lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* The caller frees it; null: no memory. */
static char *lock_file(const struct fleet *fleet)
{
	char *file;

	if (asprintf(&file, "%s.watch", fleet->shards[0].targets_file) < 0)
		return NULL;
	return file;
}

void watch_lock_release(struct watch_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	free(lock->file);
	*lock = (struct watch_lock)NO_WATCH_LOCK;
}

void watch_lock_take(struct watch_lock *lock, const struct fleet *fleet)
{
	/* A lock for reading needs no descriptor for writing, which would keep
	 * the file system from a remount read-only.  An open file description
	 * has it, not the process, whose other descriptors would release it. */
	struct flock all = { .l_type = F_RDLCK };
	_cleanup_free_ char *file = lock_file(fleet);
	_cleanup_close_ int fd = -1;

	if (!file || (lock->file && !strcmp(file, lock->file)))
		return;
	watch_lock_release(lock);
	fd = open(file, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &all) < 0)
		return;
	lock->fd = steal_fd(&fd);
	lock->file = steal(file);
}

bool watch_is_unknown(const struct fleet *fleet)
{
	_cleanup_free_ char *file = lock_file(fleet);

	return file && faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) < 0 &&
	       errno == EACCES;
}

bool watch_runs(const struct fleet *fleet)
{
	/* Asks, and takes no lock: a watch may begin at this moment. */
	struct flock all = { .l_type = F_WRLCK };
	_cleanup_free_ char *file = lock_file(fleet);
	_cleanup_close_ int fd = -1;

	if (file)
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && fcntl(fd, F_OFD_GETLK, &all) == 0 &&
	       all.l_type != F_UNLCK;
}
