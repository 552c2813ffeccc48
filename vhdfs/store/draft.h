/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in the making: it lies under a name with a dot, where no mount shows
 * it, beside the place where it will be, and takes its name when it is whole.
 * Who is interrupted leaves at most the dotted file, never a half-made one
 * under the final name; and what has that name already is never replaced.
 */
#ifndef VHDFS_STORE_DRAFT_H
#define VHDFS_STORE_DRAFT_H

#include "io/io.h"

struct draft {
	char *path; /* the final name, as draft_create was given it */
	char *dir;  /* the real, absolute path of its directory */
	int dir_fd; /* names are made and removed in there, whatever became of
		       the path; of no use in a struct that is all zeros */
	char *temp; /* the name now, in dir; null once it is published */
	bool taken; /* the file was there before: draft_fini leaves it */
	struct io *io; /* empty, or all zeros, writable, named path in messages;
			  owned */
};

/*
 * within: null, or the real path of the directory in which the file must lie,
 * else -EXDEV.  -EEXIST where there is something at path (a dangling link too);
 * -ENOENT where its directory is not.
 */
int draft_create(const char *path, const char *within, struct draft *ret);
/*
 * The same with a file that is there beside it, under the name room, for its
 * blocks: it is overwritten with zeros in place, which needs no room in the
 * file system, and keeps its size until it is resized.  -ENOENT where it is not
 * there.
 */
int draft_take(const char *path, const char *within, const char *room,
	       struct draft *ret);
/*
 * Syncs the file, gives it its name, and syncs the directory.  -EEXIST when
 * somebody else took the name meanwhile.  io stays open.
 */
int draft_publish(struct draft *draft);
/* Removes the file unless it is published, and closes it. */
void draft_fini(struct draft *draft);

#endif
