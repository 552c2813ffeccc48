/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parent that is given a child: it is opened for reading and locked against
 * writers, loses its write permission before the child names it, and is synced.
 *
 * THREADS: one thread at a time for each struct protected_parent.
 */
#ifndef VHDFS_STORE_PROTECTED_PARENT_H
#define VHDFS_STORE_PROTECTED_PARENT_H

#include <stdbool.h>
#include <sys/types.h>

#include "format/image.h"
#include "io/rootdir.h"

struct protected_parent {
	struct image *img; /* owned */
	char *path;        /* absolute, links followed; owned */
	mode_t removed;    /* write bits that were removed */
};

/*
 * Opens and locks the image at path; *ret is zeroed before.  With the lock, the
 * name is known to be the file's; it stays so until protected_parent_close, as
 * a removal and a replacement by other contents take the lock exclusively.
 *
 * Errors: those of root_dir_open, io_lock (-EBUSY: it is
 * open for writing) and image_open.
 */
int protected_parent_open(const struct root_dir *rootdir, const char *path,
			  struct protected_parent *ret);
/*
 * Removes the write bits, then makes contents and permissions durable,
 * whichever process wrote them.  -EPERM and others with a message.
 */
int protected_parent_protect(struct protected_parent *parent);
/* No child was made: restores the write bits; keeps the error's message. */
void protected_parent_restore(struct protected_parent *parent);
/*
 * Sets the members of *ret that describe the parent to a child in directory
 * dir (absolute, links followed).  They are valid as long as the parent is open
 * and *ret_relative, the caller's to free, is not freed.
 */
int protected_parent_describe(const struct protected_parent *parent,
			      const char *dir, struct image_params *ret,
			      char **ret_relative);
/* Does the child name the parent that is described, by that path and time? */
bool protected_parent_is_named(struct image *child,
			       const struct image_params *params);
/* Unlocks and closes it; also for zeros. */
void protected_parent_close(struct protected_parent *parent);

#endif
