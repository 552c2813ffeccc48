/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image file I/O on regular files and block devices.
 *
 * LOCKS.  Open-file-description (OFD) locks on single bytes, compatible with
 * QEMU's image locking.  A read lock on byte 100 + p means "I use permission
 * p"; a read lock on byte 200 + p means "no other process may use permission
 * p".  The permissions: 0 consistent read, 1 write, 2 write unchanged, 3
 * resize.
 *
 *   shared     read locks on 100 (use read) and 201 (deny write); then fails if
 *              another description has 101 (use write) or 200 (deny read)
 *   exclusive  a write lock on all of 100 to 299
 *
 * The kernel releases a lock with the last descriptor of its open file
 * description, so a file does not stay locked after its process was killed.
 */
#include "config.h"

#include "io/io-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "io/holder.h"
#include "io/recovery.h"
#include "io/blocking.h"

enum {
	LOCK_USE_READ = 100,
	LOCK_USE_WRITE = 101,
	LOCK_DENY_READ = 200,
	LOCK_DENY_WRITE = 201,
	/* The last delay of a retried lock; the sum of all is twice that. */
	LOCK_DELAY_MAX_MS = 64,
};

/* Reads from the page cache only; returns the number of bytes read, 0 on any
 * error. */
static size_t pread_cached(int fd, void *buf, size_t len, uint64_t off)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	ssize_t n = preadv2(fd, &iov, 1, (off_t)off, RWF_NOWAIT);

	return n < 0 ? 0 : (size_t)n;
}

static ssize_t file_pread(struct io *io, void *buf, size_t len, uint64_t off)
{
	size_t done = 0;

	if (io_has_blocking_hook())
		done = pread_cached(io->fd, buf, len, off);
	if (done < len)
		io_will_block();
	while (done < len) {
		ssize_t n = pread(io->fd, (char *)buf + done, len - done,
				  (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	return (ssize_t)done;
}

static int file_pwrite(struct io *io, const void *buf, size_t len, uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(io->fd, (const char *)buf + done, len - done,
				   (off_t)(off + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += n;
	}
	return 0;
}

static int file_sync(struct io *io)
{
	io_will_block();
	if (io->recovery)
		return recovery_sync(io->recovery, io->fd);
	return fdatasync(io->fd) < 0 ? -errno : 0;
}

static int file_size(struct io *io, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(io->fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(io->fd, BLKGETSIZE64, ret_size) < 0 ? -errno : 0;
	*ret_size = st.st_size;
	return 0;
}

static int file_resize(struct io *io, uint64_t size)
{
	return ftruncate(io->fd, (off_t)size) < 0 ? -errno : 0;
}

static int file_punch(struct io *io, uint64_t off, uint64_t len, bool keep)
{
	int mode = FALLOC_FL_KEEP_SIZE |
		   (keep ? FALLOC_FL_ZERO_RANGE : FALLOC_FL_PUNCH_HOLE);

	/* If ext4 has no space for FALLOC_FL_ZERO_RANGE, it has dropped dirty
	 * pages of the range already, and older data reappears.  So write them
	 * to the disk before. */
	if (keep &&
	    sync_file_range(io->fd, (off_t)off, (off_t)len,
			    SYNC_FILE_RANGE_WAIT_BEFORE |
				    SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER) < 0 &&
	    errno != ESPIPE)
		return -errno;

	return fallocate(io->fd, mode, (off_t)off, (off_t)len) < 0 ? -errno : 0;
}

/* Space that is shared with another file (cp --reflink) is allocated again on a
 * write, so it is not reserved. */
static int unshare_range(struct io *io, uint64_t off, uint64_t len)
{
	if (fallocate(io->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_UNSHARE_RANGE,
		      (off_t)off, (off_t)len) == 0)
		return 0;
	/* The file system shares no space, or cannot unshare it in advance. */
	return errno == EOPNOTSUPP || errno == EINVAL ? 0 : -errno;
}

static int file_extent(struct io *io, uint64_t off, bool *ret_data,
		       uint64_t *ret_len)
{
	off_t data = lseek(io->fd, (off_t)off, SEEK_DATA), end;
	uint64_t size;
	int r;

	if (data < 0 && errno == EINVAL)
		return -EOPNOTSUPP;
	if (data < 0 && errno != ENXIO)
		return -errno;
	if (data == (off_t)off) {
		end = lseek(io->fd, (off_t)off, SEEK_HOLE);
		if (end < 0)
			return -errno;
		*ret_data = true;
		*ret_len = (uint64_t)end - off;
		return 0;
	}
	r = file_size(io, &size);
	if (r < 0)
		return r;
	*ret_data = false;
	*ret_len = (data < 0 ? size : (uint64_t)data) - off;
	return 0;
}

static enum io_space space_of_extent(uint32_t flags)
{
	/* No space that this file alone has: compressed data, data in the
	 * inode. */
	if (flags & (FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED))
		return IO_SPACE_NONE;
	return flags & FIEMAP_EXTENT_SHARED ? IO_SPACE_SHARED : IO_SPACE_OWN;
}

/* SEEK_DATA would not tell allocated space that is not written from a hole. */
static int file_space(struct io *io, uint64_t off, uint64_t len,
		      enum io_space *ret, uint64_t *ret_len)
{
	union {
		struct fiemap map;
		char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} arg = { .map = { .fm_start = off,
			   .fm_length = len,
			   .fm_extent_count = 1 } };
	const struct fiemap_extent *e = arg.map.fm_extents;

	if (ioctl(io->fd, FS_IOC_FIEMAP, &arg) < 0)
		return errno == ENOTTY || errno == EINVAL ? -EOPNOTSUPP
							  : -errno;
	*ret = IO_SPACE_NONE;
	*ret_len = len;
	if (!arg.map.fm_mapped_extents)
		return 0;
	if (e->fe_logical > off) {
		*ret_len = e->fe_logical - off;
		return 0;
	}
	*ret = space_of_extent(e->fe_flags);
	*ret_len = e->fe_logical + e->fe_length - off;
	return 0;
}

static int allocate_range(struct io *io, uint64_t off, uint64_t len)
{
	if (fallocate(io->fd, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len) < 0)
		return -errno;
	return unshare_range(io, off, len);
}

/* Allocates the parts of the range that have no space of this file alone. */
static int allocate_missing(struct io *io, uint64_t off, uint64_t len)
{
	int r = 0;

	while (r == 0 && len) {
		enum io_space space;
		uint64_t n;

		r = file_space(io, off, len, &space, &n);
		if (r < 0)
			return -ENOSPC;
		n = min_u64(n, len);
		if (space != IO_SPACE_OWN)
			r = allocate_range(io, off, n);
		off += n;
		len -= n;
	}
	return r;
}

/* On a full file system XFS fails to allocate even a range that has its space
 * already. */
static int file_reserve(struct io *io, uint64_t off, uint64_t len)
{
	int r = allocate_range(io, off, len);

	return r == -ENOSPC ? allocate_missing(io, off, len) : r;
}

static struct flock lock_of(short type, off_t first, off_t count)
{
	return (struct flock){ .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = first,
			       .l_len = count };
}

static int set_lock(int fd, short type, off_t first, off_t count)
{
	struct flock fl = lock_of(type, first, count);

	if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

/* Returns 1 if a lock of another description conflicts with an exclusive one,
 * else 0. */
static int lock_conflicts(int fd, off_t first, off_t count)
{
	struct flock fl = lock_of(F_WRLCK, first, count);

	if (fcntl(fd, F_OFD_GETLK, &fl) < 0)
		return -errno;
	return fl.l_type != F_UNLCK;
}

static int lock_shared(int fd)
{
	int r = set_lock(fd, F_RDLCK, LOCK_USE_READ, 1);

	if (r == 0)
		r = set_lock(fd, F_RDLCK, LOCK_DENY_WRITE, 1);
	/* A downgrade: unlocks the other bytes of an exclusive lock.  The file
	 * is locked at every moment. */
	if (r == 0)
		r = set_lock(fd, F_UNLCK, LOCK_USE_WRITE,
			     LOCK_DENY_WRITE - LOCK_USE_WRITE);
	if (r == 0)
		r = set_lock(fd, F_UNLCK, LOCK_DENY_WRITE + 1,
			     LOCK_FIRST + LOCK_COUNT - LOCK_DENY_WRITE - 1);
	if (r == 0)
		r = lock_conflicts(fd, LOCK_USE_WRITE, 1);
	if (r == 0)
		r = lock_conflicts(fd, LOCK_DENY_READ, 1);
	return r > 0 ? -EBUSY : r;
}

static int try_lock(int fd, enum io_lock lock)
{
	int r;

	if (lock == IO_LOCK_EXCLUSIVE)
		return set_lock(fd, F_WRLCK, LOCK_FIRST, LOCK_COUNT);
	r = lock == IO_LOCK_SHARED ? lock_shared(fd) : 0;
	if (r < 0 || lock == IO_LOCK_NONE)
		set_lock(fd, F_UNLCK, LOCK_FIRST, LOCK_COUNT);
	return r;
}

/* recovery: the record of this file, or null. */
static void set_recovery(struct io *io, struct recovery_file *recovery)
{
	io->recovery = recovery;
	if (!recovery)
		return;
	if (io->writable)
		recovery_open_witness(recovery, io->fd);
	recovery_fdstore_file(recovery);
}

/*
 * Registers the file in the recovery memory, if the process has one.  If the
 * predecessor registered it, its descriptor, which has the lock, replaces ours.
 */
static void register_file(struct io *io)
{
	struct recovery_file *recovery;
	int fd;

	if (io->recovery)
		return;
	recovery =
		recovery_register(io->dev, io->ino, io->writable, io->fd, &fd);
	if (fd != io->fd)
		close(io->fd);
	io->fd = fd;
	set_recovery(io, recovery);
}

/*
 * Retries a conflicting lock for a moment: a mount unlocks an image a little
 * after the last close of its view has returned.
 */
static int lock_patiently(int fd, enum io_lock lock)
{
	int r = try_lock(fd, lock);

	for (long ms = 1; r == -EBUSY && ms <= LOCK_DELAY_MAX_MS; ms *= 2) {
		struct timespec delay = { .tv_nsec = ms * 1000000 };

		nanosleep(&delay, NULL);
		r = try_lock(fd, lock);
	}
	return r;
}

int io_file_lock_unregistered(struct io *io, enum io_lock lock)
{
	char holder[192] = "";
	int r = lock_patiently(io->fd, lock);

	if (r == -EBUSY) {
		holder_of_locks(io->fd, holder, sizeof holder);
		return io_fail_in_use(io, holder);
	}
	return r < 0 ? fail_errno(r, "%s: lock", io->name) : 0;
}

static int file_lock(struct io *io, enum io_lock lock, char *holder,
		     size_t size)
{
	int r;

	if (lock != IO_LOCK_NONE)
		register_file(io);
	r = lock_patiently(io->fd, lock);
	if (r == -EBUSY)
		holder_of_locks(io->fd, holder, size);
	return r;
}

static void file_close(struct io *io)
{
	/* After a failed sync the page cache may differ from the disk: drop it,
	 * so that the next open reads the disk. */
	if (atomic_load(&io->sync_failed))
		(void)posix_fadvise(io->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (io->recovery)
		recovery_unregister(io->recovery);
	close(io->fd);
	io_fini(io);
	free(io);
}

char *fd_path(int fd)
{
	char link[64], target[PATH_MAX + 1];
	ssize_t n;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof target - 1);
	if (n < 0)
		return NULL;
	target[n] = '\0';
	return strdup(target);
}

int fd_reopen(int fd, int flags)
{
	char link[64];
	int again;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	again = open(link, flags | O_CLOEXEC);
	return again < 0 ? -errno : again;
}

static const struct io_ops file_ops = {
	.pread = file_pread,
	.pwrite = file_pwrite,
	.sync = file_sync,
	.size = file_size,
	.resize = file_resize,
	.punch = file_punch,
	.reserve = file_reserve,
	.extent = file_extent,
	.space = file_space,
	.lock = file_lock,
	.close = file_close,
};

int io_file_from_fd(int fd, const char *name, bool writable, struct io **ret)
{
	_cleanup_close_ int owned = fd;
	struct stat st;
	struct io *io;
	int r;

	if (fstat(fd, &st) < 0)
		return fail_errno(-errno, "%s", name);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(-EOPNOTSUPP,
			    "%s: not a regular file or block device", name);
	io = malloc(sizeof *io);
	if (!io)
		return fail(-ENOMEM, "%s: out of memory", name);
	r = io_init(io, &file_ops, name, writable);
	if (r < 0) {
		free(io);
		return r;
	}
	io->fd = steal_fd(&owned);
	io->dev = st.st_dev;
	io->ino = st.st_ino;
	*ret = io;
	return 0;
}

int io_file_open(const char *path, bool writable, struct io **ret)
{
	/* O_NONBLOCK: the open of a FIFO must not block.  No effect on files.
	 */
	int fd = open(path,
		      (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail_errno(-errno, "%s", path);
	return io_file_from_fd(fd, path, writable, ret);
}

int io_file_in_use(struct io *io, char *holder, size_t size)
{
	int r = lock_conflicts(io->fd, LOCK_FIRST, LOCK_COUNT);

	if (size)
		*holder = '\0';
	if (r > 0 && size)
		holder_of_locks(io->fd, holder, size);
	return r < 0 ? fail_errno(r, "%s: test for locks", io->name) : r;
}

int io_file_inherit(dev_t dev, ino_t ino, bool writable, struct io **ret)
{
	_cleanup_free_ char *path = NULL;
	int fd, r;
	struct recovery_file *recovery =
		recovery_register(dev, ino, writable, -ENOENT, &fd);

	if (!recovery && !writable)
		fd = recovery_file_fd(dev, ino);
	if (!recovery && fd >= 0)
		fd = fd_reopen(fd, O_RDONLY);
	if (fd < 0)
		return fd;
	path = fd_path(fd);
	r = io_file_from_fd(fd, path ? path : "an open file", writable, ret);
	if (r == 0)
		set_recovery(*ret, recovery);
	else if (recovery)
		recovery_unregister(recovery);
	return r;
}

int io_file_reopen(const struct io *io, struct io **ret)
{
	int fd = fd_reopen(io->fd, O_RDONLY);

	if (fd < 0)
		return fail_errno(fd, "%s", io->name);
	return io_file_from_fd(fd, io->name, false, ret);
}

int io_file_stamp(const struct io *io, struct file_stamp *ret)
{
	struct stat st = { 0 };

	if (io->fd >= 0 && fstat(io->fd, &st) < 0)
		return -errno;
	*ret = (struct file_stamp){ st.st_size, st.st_mtim, st.st_ctim };
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool file_stamp_same_data(const struct file_stamp *a,
			  const struct file_stamp *b)
{
	return a->size == b->size && same_time(&a->mtime, &b->mtime);
}

bool file_stamp_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return file_stamp_same_data(a, b) && same_time(&a->ctime, &b->ctime);
}
