/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory that paths are relative to, and that confined paths stay inside.
 */
#ifndef VHDFS_IO_ROOTDIR_H
#define VHDFS_IO_ROOTDIR_H

#include <stdbool.h>

#include "io/io.h"

struct root_dir;

/* What a place of another kind than a directory does instead. */
struct root_dir_ops {
	/* As root_dir_open, words of a failure included. */
	int (*open)(const struct root_dir *rootdir, const char *path,
		    bool writable, struct io **ret, char **ret_real);
	/* path with every part spelled as the one entry that equals it but for
	 * case and normal form; null where there is no such path. The caller's
	 * to free. */
	char *(*any_case)(const struct root_dir *rootdir, const char *path);
};

/*
 * WHERE IMAGES ARE.  A place is a directory that paths are relative to, and,
 * when it is confined, that no path leaves: not by "..", an absolute path or a
 * symbolic link (openat2, RESOLVE_BENEATH).
 *
 * A place of another kind has ops, and fd is -1; what it opens says in io.dev
 * and io.ino which file it is, for cycles are seen and parents shared by that.
 */
struct root_dir {
	const struct root_dir_ops *ops; /* null: a directory */
	int fd;     /* of the directory; AT_FDCWD is allowed, not confined */
	char *path; /* its absolute, real path, "" for AT_FDCWD; owned */
	bool confined;
};

/* Opens the directory at path. -ENOTDIR, -ENOENT with words. */
int root_dir_init(struct root_dir *rootdir, const char *path, bool confined);
/* Words for a directory that cannot be opened, and what helps; returns code. */
int root_dir_fail(int code, const char *path);
void root_dir_fini(struct root_dir *rootdir);
/*
 * *ret: what path, as the user names it, is in the directory root, an absolute
 * and real path: "." for the directory itself; the caller's to free.  Links are
 * followed.  -EXDEV with words where it lies outside; the errno of realpath.
 */
int root_dir_relative(const char *root, const char *path, char **ret);
/*
 * Opens path in place, O_RDONLY or O_RDWR.  *ret_real (may be null; the
 * caller's to free) is where the file really is once links are followed:
 * relative to the root when confined, else absolute.
 */
int root_dir_open(const struct root_dir *rootdir, const char *path,
		  bool writable, struct io **ret, char **ret_real);

/* Where the file of fd is in place, links followed: as root_dir_open's
 * ret_real; path where it is not in there.  The caller's to free; null: no
 * memory. */
char *root_dir_real_path(const struct root_dir *rootdir, int fd,
			 const char *path);
/* openat, confined where the place is. A descriptor or -errno, no words. */
int root_dir_openat(const struct root_dir *rootdir, const char *path,
		    int flags);
/* path with every part spelled as the one entry that equals it but for case
 * and normal form (base/fold.h); the caller's to free. -ENOENT where there is
 * no such path, or an error that error_is_passing, without words. */
int root_dir_any_case(const struct root_dir *rootdir, const char *path,
		      char **ret);

#endif
