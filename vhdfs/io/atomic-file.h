/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Atomic files: a file is written under a temporary name in the same directory,
 * synced, renamed to its final name, and then the directory is synced.
 *
 * So a file is complete and durable under its final name, or has not got it.  A
 * process that dies meanwhile leaves at most the temporary file.
 *
 * A new image never replaces an existing file.  Its temporary name begins with
 * a dot, so a mount of the directory does not show it.  A text file, and a copy
 * of a file, replaces the one before.
 *
 * THREADS: one thread at a time for each struct atomic_file.
 */
#ifndef VHDFS_IO_ATOMIC_FILE_H
#define VHDFS_IO_ATOMIC_FILE_H

#include "io/io.h"

#define ATOMIC_FILE_ANY_GROUP ((gid_t)-1)

struct atomic_file {
	char *path;    /* the final name, as atomic_file_create was given it */
	char *dir;     /* the real, absolute path of its directory */
	int dir_fd;    /* the directory, even if dir is renamed meanwhile; not
			  valid in a struct of zeros */
	char *temp;    /* the temporary name in dir; null after publishing */
	bool existed;  /* temp is not ours: fini does not remove it */
	bool replaces; /* see atomic_file_replace */
	struct io *io; /* the new file, open for writing; its name in messages
			  is path; owned */
};

/*
 * Creates the temporary file, empty, mode 0666 less the umask.  within: null,
 * or the real path of a directory; -EXDEV if path is outside it.  -EEXIST if
 * path exists (even as a dangling link); -ENOENT if its directory does not.
 *
 * spare: null, or, for a full file system, the name of an existing file in the
 * same directory, or its path from there on the same file system, which becomes
 * the temporary file.  It is overwritten with zeros in place, which allocates
 * no space, and keeps its size until the caller resizes it.  -ENOENT if spare
 * does not exist; on another file system atomic_file_publish fails.
 */
int atomic_file_create(const char *path, const char *within, const char *spare,
		       struct atomic_file *ret);
/*
 * Syncs the file, renames it to path, and syncs the directory.  -EEXIST if
 * another process created path meanwhile.  io stays open.
 */
int atomic_file_publish(struct atomic_file *file);
/* Removes the temporary file unless it was published, and closes io. */
void atomic_file_fini(struct atomic_file *file);

/*
 * Creates the temporary file, empty, mode 0600, for a file at path that
 * atomic_file_publish creates or replaces.  The temporary name is path with
 * ".new" appended: programs that read "*.conf" in the directory, or images,
 * ignore it, and the next call removes one that was left.  within: as above.
 * The caller excludes other writers of path.
 */
int atomic_file_replace(const char *path, const char *within,
			struct atomic_file *ret);

/*
 * Creates or replaces the file at path: its content is the string text, its
 * mode is mode (the umask does not apply), its group is group.  As
 * atomic_file_replace.
 */
int atomic_file_write(const char *path, const char *text, mode_t mode,
		      gid_t group);

#endif
