/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The steps of a replacement of a disk's leaf, for leaf-replace.c, in which no
 * other process has the image open, and view-snapshot.c, in which a mount has.
 * leaf-steps.c states them, L1 to L7, with the names NAME and KEEP; L3 and L7
 * are in leaf-intent.h.
 *
 * Each function returns 0, or -errno with a message.
 *
 * THREADS: one thread at a time for each struct leaf_place, and one replacement
 * of an image at a time: the caller has the image locked.
 */
#ifndef VHDFS_STORE_LEAF_STEPS_H
#define VHDFS_STORE_LEAF_STEPS_H

#include <stdbool.h>
#include <sys/stat.h>

#include "store/leaf-place.h"
#include "store/protected-parent.h"

/* Finishes or undoes what an interrupted replacement of NAME left; see RECOVERY
 * in leaf-steps.c.  *ret_done, if not null: there was something.  -EBUSY: a
 * rename of the image was interrupted (image-rename.h). */
int leaf_recover(const struct leaf_place *place, bool *ret_done);
/* The write bits that NAME's file has after an undo of L5; 0: there is none to
 * undo.  Sets place.st. */
mode_t leaf_lost_write_bits(struct leaf_place *place);

/* L2: a new file .NAME.leaf, the caller's to close, which is locked until
 * leaf_place_fini; then its contents, a child of parent.  -EEXIST: a file of
 * that name is another program's. */
int leaf_create(struct leaf_place *place, struct io **ret);
int leaf_write(const struct leaf_place *place,
	       const struct protected_parent *parent, struct io *io);
/* L4.  -EPERM, -EOPNOTSUPP: the file system refuses hard links. */
int leaf_link(const struct leaf_place *place, const char *keep);
/* L5.  mark may be null. */
int leaf_mark(const struct leaf_place *place, const char *mark,
	      struct protected_parent *parent);
/* L6, which leaf_sync_rename makes durable. */
int leaf_rename(const struct leaf_place *place);
int leaf_sync_rename(const struct leaf_place *place);

/* Removes .NAME.leaf, if there is one: this process's, or one that no process
 * has locked.  See FILES WITHOUT A NAME in leaf-steps.c.  A file of that name
 * which leaf_create did not make stays, and that is no failure.  -EBUSY:
 * another process is at work on it. */
int leaf_remove_new(const struct leaf_place *place);
/* The same of a file that no intent names.  1: it is gone; 0: there is none, or
 * another program's; -EBUSY also: an intent names it. */
int leaf_remove_rest(const struct leaf_place *place);
/* Takes over a .NAME.leaf of a process that died, as if leaf_create had made
 * it. 1; 0: there is none; -EBUSY: as leaf_remove_rest. */
int leaf_take_rest(struct leaf_place *place, struct io **ret);
/* Unlocks what leaf_create or leaf_take_rest gave, when that is closed. */
void leaf_forget(struct leaf_place *place);

/* After a failure of L2 to L6: undoes them, and keeps the error's message. */
void leaf_undo(const struct leaf_place *place, struct protected_parent *parent);

#endif
