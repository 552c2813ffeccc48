/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replacement of a disk's leaf: a fresh child takes the image's name, and the
 * old file keeps its contents under another name, or goes.  A snapshot is the
 * case in which the fresh child's parent is the old file; a revert is the one
 * in which it is an earlier snapshot.
 *
 * The names are in one directory.  At every moment the image's name leads to
 * one of the two leaves.  A crash leaves an intent record, from which the next
 * call finishes or undoes the replacement; hard links that no intent names are
 * left alone.
 *
 * THREADS: each call works on descriptors of its own.  Two calls for one image,
 * of any processes, exclude each other by the image's lock: the second fails
 * with -EBUSY.
 */
#ifndef VHDFS_STORE_LEAF_REPLACE_H
#define VHDFS_STORE_LEAF_REPLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "io/rootdir.h"

struct leaf_replacement {
	const struct root_dir *rootdir;
	const char *image; /* path, as root_dir_open takes it */
	/* Path of the fresh leaf's parent; null: the old leaf. */
	const char *parent;
	/* File name that the old leaf gets; null: the old leaf is removed,
	 * which needs a parent. */
	const char *keep;
	const char *mark; /* value of SNAPSHOT_MARK (snapshot.h); null: none */
};

/*
 * Replaces the leaf.  Recovers from an interrupted replacement before.  0 or
 * -errno with a message, and the image as it was:
 *   -EBUSY    another process has the image open
 *   -EEXIST   a file named keep exists
 *   -EPERM    the file system refuses hard links; or the image has no write
 *             permission, as it has children
 *   -EOPNOTSUPP  the file system keeps no extended attributes
 * and the errors of image_open, protected_parent_open and image_create.
 */
int leaf_replace(const struct leaf_replacement *replacement);

/* Is there a replacement of the image at path that another process began, and
 * has perhaps not ended?  Cheap: looks for three names. */
bool leaf_replace_is_pending(const struct root_dir *rootdir, const char *image);

/* Has a replacement of the image at path an intent record, from which its
 * recovery may undo it? */
bool leaf_replace_has_intent(const struct root_dir *rootdir, const char *image);

/*
 * Finishes or undoes a replacement of the image at path that was interrupted;
 * does nothing if there is none.  -EBUSY: another process has the image open,
 * perhaps the one that replaces its leaf.  *ret_done, if not null: there was
 * one.
 */
int leaf_replace_recover(const struct root_dir *rootdir, const char *image,
			 bool *ret_done);

/* The write bits that the recovery of the image at path, with links followed,
 * gives back to its file; 0: none.  Sets no message. */
mode_t leaf_replace_lost_write_bits(const struct root_dir *rootdir,
				    const char *real);

#endif
