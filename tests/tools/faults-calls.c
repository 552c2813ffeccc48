/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults.so: the calls on files. */
#include "config.h"

#include "tools/faults.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { SECTOR = 512 };

/* A call on a file: null, or its failure, with errno set. */
static const struct kind *judge_call(enum call call, void *caller)
{
	const struct kind *kind;

	if (faults_owner((uintptr_t)caller) != OWNER_PROGRAM)
		return NULL;
	kind = faults_judge(call, (uintptr_t)caller);
	if (kind)
		errno = kind->code;
	return kind;
}

static const struct kind *judge_file(enum call call, int fd, void *caller)
{
	struct stat st;

	if (fstat(fd, &st) < 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return NULL;
	return judge_call(call, caller);
}

static int judge_path(enum call call, const char *path, void *caller)
{
	if (!strncmp(path, "/dev/", 5))
		return 0;
	return judge_call(call, caller) ? -1 : 0;
}

static bool is_program(void *caller)
{
	return faults_owner((uintptr_t)caller) == OWNER_PROGRAM;
}

/* Half of a transfer, at least a byte. */
static size_t half_of(size_t len)
{
	return len > 1 ? len / 2 : len;
}

/* Is this the first, short write on a disk that becomes full? */
static bool is_filling(const struct kind *kind)
{
	return kind->filled && faults_is_first();
}

static ssize_t do_pread(int fd, void *buf, size_t len, off_t off, void *caller)
{
	const struct kind *kind = judge_file(CALL_READ, fd, caller);

	if (kind && !kind->half)
		return -1;
	return NEXT(pread)(fd, buf, kind ? half_of(len) : len, off);
}

/* A transfer with one buffer, as the library makes it. */
static ssize_t do_preadv2(int fd, const struct iovec *iov, int n, off_t off,
			  int flags, void *caller)
{
	const struct kind *kind = judge_file(CALL_READ, fd, caller);
	struct iovec half = *iov;

	if (kind && !kind->half)
		return -1;
	half.iov_len = half_of(half.iov_len);
	return NEXT(preadv2)(fd, kind ? &half : iov, n, off, flags);
}

static ssize_t write_file(int fd, const void *buf, size_t len, off_t off,
			  void *caller)
{
	struct power_change *change =
		is_program(caller) ? power_content(fd, off, len, false) : NULL;
	ssize_t n = NEXT(pwrite)(fd, buf, len, off);

	power_end(change, fd, n > 0);
	return n;
}

/* Where the bytes from `off' on that have blocks of the file end, written or
 * not; a file system may say it in pieces. */
static uint64_t end_of_blocks(int fd, uint64_t off)
{
	union {
		struct fiemap map;
		char space[sizeof(struct fiemap) +
			   sizeof(struct fiemap_extent)];
	} u = { .map = { .fm_start = off,
			 .fm_length = FIEMAP_MAX_OFFSET - off,
			 .fm_extent_count = 1 } };
	const struct fiemap_extent *extent = u.map.fm_extents;

	if (ioctl(fd, FS_IOC_FIEMAP, &u) < 0)
		return UINT64_MAX;
	if (!u.map.fm_mapped_extents || extent->fe_logical > off)
		return off;
	return extent->fe_logical + extent->fe_length;
}

/* Does a change of these bytes take no space, and is the disk full? */
static bool has_blocks(int fd, size_t len, off_t off)
{
	uint64_t at = (uint64_t)off, end = at + len, next;

	if (!faults_spare_overwrites())
		return false;
	for (; at < end; at = next) {
		next = end_of_blocks(fd, at);
		if (next == at)
			return false;
	}
	return true;
}

static ssize_t do_pwrite(int fd, const void *buf, size_t len, off_t off,
			 void *caller)
{
	const struct kind *kind;
	ssize_t n;

	if (has_blocks(fd, len, off))
		return write_file(fd, buf, len, off, caller);
	kind = judge_file(CALL_WRITE, fd, caller);
	if (!kind)
		return write_file(fd, buf, len, off, caller);
	if (!kind->half && !is_filling(kind))
		return -1;
	if (!kind->code)
		return write_file(fd, buf, half_of(len), off, caller);
	/* A sector is written completely or not at all. */
	len = len / 2 / SECTOR * SECTOR;
	n = len ? write_file(fd, buf, len, off, caller) : 0;
	if (kind->filled && n > 0)
		return n;
	errno = kind->code;
	return -1;
}

EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	return do_pread(fd, buf, len, off, CALLER);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t len, off_t off)
{
	return do_pread(fd, buf, len, off, CALLER);
}

EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t off,
		       int flags)
{
	return do_preadv2(fd, iov, n, off, flags, CALLER);
}

EXPORT ssize_t preadv64v2(int fd, const struct iovec *iov, int n, off_t off,
			  int flags)
{
	return do_preadv2(fd, iov, n, off, flags, CALLER);
}

/*
 * The names by which a program that is built with _FORTIFY_SOURCE calls the
 * same functions.  The C library does not declare them for programs.
 */
EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t off,
			   size_t size);
EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off_t off,
			     size_t size);
EXPORT int __open_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags);
EXPORT int __openat_2(int dir, const char *path, int flags);
EXPORT int __openat64_2(int dir, const char *path, int flags);

ssize_t __pread_chk(int fd, void *buf, size_t len, off_t off, size_t size)
{
	if (len > size)
		abort();
	return do_pread(fd, buf, len, off, CALLER);
}

ssize_t __pread64_chk(int fd, void *buf, size_t len, off_t off, size_t size)
{
	if (len > size)
		abort();
	return do_pread(fd, buf, len, off, CALLER);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return do_pwrite(fd, buf, len, off, CALLER);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off_t off)
{
	return do_pwrite(fd, buf, len, off, CALLER);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	const struct kind *kind = judge_file(CALL_WRITE, fd, CALLER);
	struct power_change *change = NULL;
	ssize_t n;

	/* On a file no signal interrupts it, and only a full disk makes it
	 * short. */
	if (kind && kind->code && kind->code != EINTR)
		return -1;
	if (is_program(CALLER))
		change = power_content(fd, NEXT(lseek)(fd, 0, SEEK_CUR), len,
				       false);
	n = NEXT(write)(fd, buf, len);
	power_end(change, fd, n > 0);
	return n;
}

/* Succeeds without a sync: power is cut only here, and hundreds of syncs are
 * slow. */
static int do_sync(int fd, bool all, void *caller)
{
	if (judge_file(CALL_SYNC, fd, caller))
		return -1;
	power_sync(fd, all);
	return 0;
}

EXPORT int fdatasync(int fd)
{
	return do_sync(fd, false, CALLER);
}

EXPORT int fsync(int fd)
{
	return do_sync(fd, true, CALLER);
}

/* Shrinking a file needs no space. */
static int do_ftruncate(int fd, off_t size, void *caller)
{
	struct power_change *change = NULL;
	struct stat st;
	bool grows = fstat(fd, &st) == 0 && size > st.st_size;
	int r;

	if (judge_file(grows ? CALL_RESIZE : CALL_SHRINK, fd, caller))
		return -1;
	if (is_program(caller))
		change = power_content(fd, size,
				       grows ? 0 : (size_t)(st.st_size - size),
				       true);
	r = NEXT(ftruncate)(fd, size);
	power_end(change, fd, r == 0);
	return r;
}

EXPORT int ftruncate(int fd, off_t size)
{
	return do_ftruncate(fd, size, CALLER);
}

EXPORT int ftruncate64(int fd, off_t size)
{
	return do_ftruncate(fd, size, CALLER);
}

static int do_fallocate(int fd, int mode, off_t off, off_t len, void *caller)
{
	struct power_change *change = NULL;
	int r;

	if (!((mode & FALLOC_FL_KEEP_SIZE) &&
	      has_blocks(fd, (size_t)len, off)) &&
	    judge_file(CALL_FALLOCATE, fd, caller))
		return -1;
	/* Allocation alone changes no byte. */
	if (is_program(caller) && mode != FALLOC_FL_KEEP_SIZE)
		change = power_content(fd, off, (size_t)len, true);
	r = NEXT(fallocate)(fd, mode, off, len);
	power_end(change, fd, r == 0);
	return r;
}

EXPORT int fallocate(int fd, int mode, off_t off, off_t len)
{
	return do_fallocate(fd, mode, off, len, CALLER);
}

EXPORT int fallocate64(int fd, int mode, off_t off, off_t len)
{
	return do_fallocate(fd, mode, off, len, CALLER);
}

static off_t do_lseek(int fd, off_t off, int whence, void *caller)
{
	if ((whence == SEEK_DATA || whence == SEEK_HOLE) &&
	    judge_file(CALL_SEEK, fd, caller))
		return -1;
	return NEXT(lseek)(fd, off, whence);
}

EXPORT off_t lseek(int fd, off_t off, int whence)
{
	return do_lseek(fd, off, whence, CALLER);
}

EXPORT off_t lseek64(int fd, off_t off, int whence)
{
	return do_lseek(fd, off, whence, CALLER);
}

static int do_open(int dir, const char *path, int flags, mode_t mode,
		   void *caller)
{
	struct power_change *change = NULL;
	int fd;

	if (judge_path(flags & O_CREAT ? CALL_CREATE : CALL_OPEN, path,
		       caller) < 0)
		return -1;
	if ((flags & O_CREAT) && is_program(caller))
		change = power_name(AT_FDCWD, NULL, dir, path);
	fd = NEXT(openat)(dir, path, flags, mode);
	power_end_name(change, fd >= 0);
	return fd;
}

/* The mode is present only with O_CREAT, and with O_TMPFILE, which vhdfs does
 * not use. */
#define MODE(flags)                                       \
	({                                                \
		va_list ap_;                              \
		mode_t mode_ = 0;                         \
		va_start(ap_, flags);                     \
		if ((flags)&O_CREAT)                      \
			mode_ = (mode_t)va_arg(ap_, int); \
		va_end(ap_);                              \
		mode_;                                    \
	})

EXPORT int open(const char *path, int flags, ...)
{
	return do_open(AT_FDCWD, path, flags, MODE(flags), CALLER);
}

EXPORT int open64(const char *path, int flags, ...)
{
	return do_open(AT_FDCWD, path, flags, MODE(flags), CALLER);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
	return do_open(dir, path, flags, MODE(flags), CALLER);
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
	return do_open(dir, path, flags, MODE(flags), CALLER);
}

int __open_2(const char *path, int flags)
{
	return do_open(AT_FDCWD, path, flags, 0, CALLER);
}

int __open64_2(const char *path, int flags)
{
	return do_open(AT_FDCWD, path, flags, 0, CALLER);
}

int __openat_2(int dir, const char *path, int flags)
{
	return do_open(dir, path, flags, 0, CALLER);
}

int __openat64_2(int dir, const char *path, int flags)
{
	return do_open(dir, path, flags, 0, CALLER);
}

/* For openat2, for which the C library has no function. */
EXPORT long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2 &&
	    judge_path(CALL_OPEN, (const char *)a[1], CALLER) < 0)
		return -1;
	return NEXT(syscall)(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

EXPORT struct dirent *readdir(DIR *dir)
{
	return judge_call(CALL_READDIR, CALLER) ? NULL : NEXT(readdir)(dir);
}

EXPORT struct dirent64 *readdir64(DIR *dir)
{
	return judge_call(CALL_READDIR, CALLER) ? NULL : NEXT(readdir64)(dir);
}

static int do_rename(int old_dir, const char *old, int new_dir, const char *new,
		     unsigned flags, void *caller)
{
	const struct kind *kind = judge_call(CALL_RENAME, caller);
	struct power_change *change = NULL;
	int r;

	if (kind && !faults_is_after(kind))
		return -1;
	if (is_program(caller))
		change = power_name(old_dir, old, new_dir, new);
	r = NEXT(renameat2)(old_dir, old, new_dir, new, flags);
	power_end_name(change, r == 0);
	if (kind)
		faults_after(kind);
	return r;
}

EXPORT int renameat2(int old_dir, const char *old, int new_dir, const char *new,
		     unsigned flags)
{
	return do_rename(old_dir, old, new_dir, new, flags, CALLER);
}

EXPORT int renameat(int old_dir, const char *old, int new_dir, const char *new)
{
	return do_rename(old_dir, old, new_dir, new, 0, CALLER);
}

EXPORT int rename(const char *old, const char *new)
{
	return do_rename(AT_FDCWD, old, AT_FDCWD, new, 0, CALLER);
}

static int do_link(int old_dir, const char *old, int new_dir, const char *new,
		   int flags, void *caller)
{
	const struct kind *kind = judge_call(CALL_LINK, caller);
	struct power_change *change = NULL;
	int r;

	if (kind && !faults_is_after(kind))
		return -1;
	if (is_program(caller))
		change = power_name(AT_FDCWD, NULL, new_dir, new);
	r = NEXT(linkat)(old_dir, old, new_dir, new, flags);
	power_end_name(change, r == 0);
	if (kind)
		faults_after(kind);
	return r;
}

EXPORT int linkat(int old_dir, const char *old, int new_dir, const char *new,
		  int flags)
{
	return do_link(old_dir, old, new_dir, new, flags, CALLER);
}

EXPORT int link(const char *old, const char *new)
{
	return do_link(AT_FDCWD, old, AT_FDCWD, new, 0, CALLER);
}

static int do_unlink(int dir, const char *path, int flags, void *caller)
{
	const struct kind *kind = judge_call(CALL_UNLINK, caller);
	struct power_change *change = NULL;
	int r;

	if (kind && !faults_is_after(kind))
		return -1;
	if (is_program(caller) && !(flags & AT_REMOVEDIR))
		change = power_name(dir, path, AT_FDCWD, NULL);
	r = NEXT(unlinkat)(dir, path, flags);
	power_end_name(change, r == 0);
	if (kind)
		faults_after(kind);
	return r;
}

EXPORT int unlinkat(int dir, const char *path, int flags)
{
	return do_unlink(dir, path, flags, CALLER);
}

EXPORT int unlink(const char *path)
{
	return do_unlink(AT_FDCWD, path, 0, CALLER);
}

EXPORT int fchmod(int fd, mode_t mode)
{
	struct power_change *change = NULL;
	int r;

	if (judge_file(CALL_CHMOD, fd, CALLER))
		return -1;
	if (is_program(CALLER))
		change = power_mode(fd);
	r = NEXT(fchmod)(fd, mode);
	power_end(change, fd, r == 0);
	return r;
}

EXPORT int fchown(int fd, uid_t uid, gid_t gid)
{
	struct power_change *change = NULL;
	int r;

	if (judge_file(CALL_CHMOD, fd, CALLER))
		return -1;
	if (is_program(CALLER))
		change = power_owner(fd);
	r = NEXT(fchown)(fd, uid, gid);
	power_end(change, fd, r == 0);
	return r;
}

EXPORT int fsetxattr(int fd, const char *name, const void *value, size_t size,
		     int flags)
{
	struct power_change *change = NULL;
	int r;

	if (judge_file(CALL_CHMOD, fd, CALLER))
		return -1;
	if (is_program(CALLER))
		change = power_attribute(fd, name);
	r = NEXT(fsetxattr)(fd, name, value, size, flags);
	power_end(change, fd, r == 0);
	return r;
}

EXPORT int fremovexattr(int fd, const char *name)
{
	struct power_change *change = NULL;
	int r;

	if (judge_file(CALL_CHMOD, fd, CALLER))
		return -1;
	if (is_program(CALLER))
		change = power_attribute(fd, name);
	r = NEXT(fremovexattr)(fd, name);
	power_end(change, fd, r == 0);
	return r;
}
