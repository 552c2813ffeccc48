/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parent that is given a child, and is no part of a replacement that was
 * interrupted: an undo of that gives the image its write bits back, and removes
 * its unfinished snapshot, and neither may have a child by then.
 *
 * THREADS: one thread at a time for each struct protected_parent.
 */
#ifndef VHDFS_STORE_SETTLED_PARENT_H
#define VHDFS_STORE_SETTLED_PARENT_H

#include "store/protected-parent.h"

/*
 * As protected_parent_open.  If the image was being replaced, or the one of
 * which the file can be a snapshot or an old image by its name, it finishes or
 * undoes that (leaf-replace.h) and opens the file again.  With the parent's
 * lock there is no such replacement, and none of the parent begins.
 *
 * LOCKS.  The recovery locks the image exclusively, after the parent was
 * unlocked, and unlocks it before the parent is locked again.  So the caller
 * has neither locked: else -EBUSY.  No lock is waited for without end.
 *
 * Errors: those of protected_parent_open and leaf_replace_recover.
 */
int settled_parent_open(const struct root_dir *rootdir, const char *path,
			struct protected_parent *ret);

#endif
