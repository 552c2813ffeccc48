/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lent write bit; lent-bit.h states the order. */
#include "config.h"

#include "io/lent-bit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/io-file.h"

/* Each failure takes another process that cleared the bit just then; or, of
 * clear, a passing error. */
enum { LEND_TRIES = 8 };

/* B2.  -EACCES: the file cannot be lent. */
static int lend(int fd)
{
	struct stat st, now;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EACCES;
	if (mode_is_lent(st.st_mode))
		return 0;
	if (st.st_mode & MODE_WRITE_BITS ||
	    fchmod(fd, (st.st_mode & 07777) | S_ISVTX | S_IWUSR) < 0)
		return -EACCES;
	if (fstat(fd, &now) == 0 && mode_is_lent(now.st_mode))
		return 0;
	/* A file system without sticky bits: a crash could not be told. */
	(void)fchmod(fd, st.st_mode & 07777);
	return -EACCES;
}

/* B4, with the file locked. */
static int clear(int fd)
{
	struct stat st;
	int r = -EIO;

	for (int i = 0; r < 0 && i < LEND_TRIES; i++) {
		r = fstat(fd, &st) < 0 ? -errno : 0;
		if (r == 0 && mode_is_lent(st.st_mode) &&
		    fchmod(fd, mode_without_lent(st.st_mode) & 07777) < 0)
			r = -errno;
	}
	return r;
}

/* B1: *ret is a description of its own, with the lock. */
static int lock(int fd, const char *name, struct io **ret)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	int reader = fd_reopen(fd, O_RDONLY);
	int r = reader < 0 ? fail_errno(reader, "%s", name)
			   : io_file_from_fd(reader, name, false, &io);

	if (r == 0)
		r = io_file_lock_unregistered(io, IO_LOCK_SHARED);
	if (r == 0)
		*ret = steal(io);
	return r;
}

/* B2 to B4. */
static int open_lent(const struct io *io)
{
	_cleanup_close_ int fd = -EACCES;
	int r;

	for (int i = 0; fd == -EACCES && i < LEND_TRIES; i++) {
		r = lend(io->fd);
		if (r < 0)
			return fail_errno(r, "%s", io->name);
		fd = fd_reopen(io->fd, O_RDWR);
		r = clear(io->fd);
		if (r < 0)
			return fail_errno(r,
					  "%s: cannot remove the write "
					  "permission that it was lent",
					  io->name);
	}
	return fd < 0 ? fail_errno(fd, "%s", io->name) : steal_fd(&fd);
}

int lent_bit_open(int fd, const char *name)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	struct stat st;
	int again, r;

	if (fstat(fd, &st) < 0)
		return fail_errno(-errno, "%s", name);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return fail(-EOPNOTSUPP, "%s: not a regular file", name);
	again = fd_reopen(fd, O_RDWR);
	if (again >= 0)
		lent_bit_clear(again, name);
	if (again >= 0 || again != -EACCES)
		return again < 0 ? fail_errno(again, "%s", name) : again;
	r = lock(fd, name, &io);
	return r < 0 ? r : open_lent(io);
}

/* value null: removes it. */
static int change_attribute(int fd, const char *attribute, const void *value,
			    size_t size)
{
	int r = value ? fsetxattr(fd, attribute, value, size, 0)
		      : fremovexattr(fd, attribute);

	return r < 0 ? -errno : 0;
}

static int change_attribute_lent(int fd, const char *attribute,
				 const void *value, size_t size)
{
	int r = change_attribute(fd, attribute, value, size), rc = 0;

	for (int i = 0; r == -EACCES && rc == 0 && i < LEND_TRIES; i++) {
		if (lend(fd) < 0)
			return -EACCES;
		r = change_attribute(fd, attribute, value, size);
		rc = clear(fd);
	}
	return r < 0 ? r : rc;
}

int lent_bit_set_attribute(int fd, const char *attribute, const void *value,
			   size_t size)
{
	return change_attribute_lent(fd, attribute, value, size);
}

int lent_bit_remove_attribute(int fd, const char *attribute)
{
	return change_attribute_lent(fd, attribute, NULL, 0);
}

void lent_bit_clear(int fd, const char *name)
{
	_cleanup_(error_set) struct error why = *error_last();
	_cleanup_(io_close_p) struct io *io = NULL;
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    mode_is_lent(st.st_mode) && lock(fd, name, &io) == 0)
		(void)clear(io->fd);
}
