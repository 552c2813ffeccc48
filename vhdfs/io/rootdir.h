/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Root directory: opens image files by paths relative to a directory that they
 * cannot leave.
 *
 * A confined root directory refuses every path that leads out of it: by "..",
 * by an absolute path or by a symbolic link (openat2 with RESOLVE_BENEATH,
 * Linux 5.6).  A store is confined.  An unconfined one resolves paths as the
 * kernel does, for files that the user names on a command line.
 *
 * A back-end other than a directory sets ops; fd is -1 then.
 *
 * THREADS: any thread may use a struct root_dir after root_dir_init.
 */
#ifndef VHDFS_IO_ROOTDIR_H
#define VHDFS_IO_ROOTDIR_H

#include <stdbool.h>

#include "io/io.h"

struct root_dir;

/* The operations of a back-end other than a directory. */
struct root_dir_ops {
	/* As root_dir_open.  Also sets io.dev and io.ino, by which cycles are
	 * detected and parents are shared. */
	int (*open)(const struct root_dir *rootdir, const char *path,
		    bool writable, struct io **ret, char **ret_real);
	/* As root_dir_any_case; null: no such path. */
	char *(*any_case)(const struct root_dir *rootdir, const char *path);
};

struct root_dir {
	const struct root_dir_ops *ops; /* null: a directory */
	int fd;     /* of the directory; unconfined, it may be AT_FDCWD */
	char *path; /* its absolute real path; "" for AT_FDCWD; owned */
	bool confined;
};

/* Opens the directory at path, confined.  -ENOENT, -ENOTDIR; -EOPNOTSUPP:
 * openat2 is missing or forbidden.  An unconfined root is set by hand: fd and
 * path. */
int root_dir_init(struct root_dir *rootdir, const char *path);
/* Reports that the directory cannot be opened, with a remedy; returns code. */
int root_dir_fail(int code, const char *path);
void root_dir_fini(struct root_dir *rootdir);

/*
 * Opens a file for reading or also for writing.  *ret_real is its real path,
 * links resolved: relative to the root if that is confined, else absolute; the
 * caller frees it; ret_real may be null.  -EXDEV: the path leads out;
 * -EOPNOTSUPP: not a regular file (nor, unconfined, a block device).
 */
int root_dir_open(const struct root_dir *rootdir, const char *path,
		  bool writable, struct io **ret, char **ret_real);
/* The same for writing; if this user owns the file, also without write bits
 * (lent-bit.h).  -EBUSY also: another process has it locked exclusively. */
int root_dir_open_as_owner(const struct root_dir *rootdir, const char *path,
			   struct io **ret, char **ret_real);
/* Opens with openat's flags, confined if the root is.  A descriptor or -errno,
 * without a message. */
int root_dir_openat(const struct root_dir *rootdir, const char *path,
		    int flags);
/* The same with opendir, of a directory; "" is the root itself.  Null: errno.
 */
DIR *root_dir_opendir(const struct root_dir *rootdir, const char *path);

/*
 * Converts a path that the user named to one relative to root, which is an
 * absolute real path; "." for root itself.  Links are resolved; the caller
 * frees *ret.  -EXDEV: it is outside; else the errno of realpath.
 */
int root_dir_relative(const char *root, const char *path, char **ret);
/* The part of an absolute real path that is below the directory root, itself an
 * absolute real path; "." for root itself; null: it is outside. */
const char *root_dir_below(const char *root, const char *real);
/* The real path of fd's file, as root_dir_open's ret_real; a copy of path if it
 * is outside the root by now.  The caller frees it; null: out of memory. */
char *root_dir_real_path(const struct root_dir *rootdir, int fd,
			 const char *path);
/*
 * Finds the file that path names in another case or Unicode normal form
 * (base/fold.h): *ret is path with each component spelled as its directory
 * entry; the caller frees it.  -ENOENT if a component matches no entry or
 * several, or a transient error (error_is_passing); without a message.
 */
int root_dir_any_case(const struct root_dir *rootdir, const char *path,
		      char **ret);

#endif
