/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in the making: it lies under a name with a dot, where no mount shows
 * it, beside the place where it will be, and takes its name when it is whole.
 * Who is interrupted leaves at most the dotted file, never a half-made one
 * under the final name; and what has that name already is never replaced.
 */
#ifndef VHDFS_IO_ATOMIC_FILE_H
#define VHDFS_IO_ATOMIC_FILE_H

#include "io/io.h"

struct atomic_file {
	char *path; /* the final name, as atomic_file_create was given it */
	char *dir;  /* the real, absolute path of its directory */
	int dir_fd; /* names are made and removed in there, whatever became of
		       the path; of no use in a struct that is all zeros */
	char *temp; /* the name now, in dir; null once it is published */
	bool taken; /* the file was there before: atomic_file_fini leaves it */
	struct io *io; /* empty, or all zeros, writable, named path in messages;
			  owned */
};

/*
 * within: null, or the real path of the directory in which the file must lie,
 * else -EXDEV.  -EEXIST where there is something at path (a dangling link too);
 * -ENOENT where its directory is not.
 */
int atomic_file_create(const char *path, const char *within,
		       struct atomic_file *ret);
/*
 * The same with a file that is there beside it, under the name room, for its
 * blocks: it is overwritten with zeros in place, which needs no room in the
 * file system, and keeps its size until it is resized.  -ENOENT where it is not
 * there.
 */
int atomic_file_create_over(const char *path, const char *within,
			    const char *room, struct atomic_file *ret);
/*
 * Syncs the file, gives it its name, and syncs the directory.  -EEXIST when
 * somebody else took the name meanwhile.  io stays open.
 */
int atomic_file_publish(struct atomic_file *file);
/* Removes the file unless it is published, and closes it. */
void atomic_file_fini(struct atomic_file *file);

#endif
