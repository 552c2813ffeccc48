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
	char *path;    /* the final name */
	char *temp;    /* the name now; null once it is published */
	struct io *io; /* empty, writable, named path in messages; owned */
};

/*
 * -EEXIST where there is something at path (a dangling link too); -ENOENT
 * where its directory is not.
 */
int draft_create(const char *path, struct draft *ret);
/*
 * Syncs the file, gives it its name, and syncs the directory.  -EEXIST when
 * somebody else took the name meanwhile.  io stays open.
 */
int draft_publish(struct draft *draft);
/* Removes the file unless it is published, and closes it. */
void draft_fini(struct draft *draft);

#endif
