/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transfer of images from one directory of images to another, under the same
 * relative paths: from a store to its backup, and back.
 *
 * ORDER, of each file NAME, so that every directory has complete files at
 * every moment:
 *
 *   T1. create NAME.new, lock it with flock, and copy; a NAME.new that was left
 *       is removed
 *   T2. `vhdfs-img check' finds NAME.new sound, and its parents there
 *                                               (an image; not a parent)
 *   T3. a NAME that is there gets a second name .NAME.STAMP    (put-aside.h)
 *   T4. sync NAME.new, rename it to NAME, sync the directory
 *   T5. of the names .NAME.STAMP remove all but the newest
 *
 * A crash leaves NAME.new, which the next transfer removes, or, after T3, a
 * second name, which the next one finds and uses.
 *
 * A PARENT IS NOT COPIED AGAIN where the other directory has an image with the
 * same identity under its path.  That is enough: what a parent shows never
 * changes, and the first write gives an image another identity (HACKING,
 * promise 4).  The file itself may have changed, when a snapshot below it was
 * removed: then the one that is there still has its own parents there, for
 * parents are never removed from a backup.  T2 sees that.
 *
 * For one thread.
 */
#ifndef TGT_GLUE_BACKUP_TRANSFER_H
#define TGT_GLUE_BACKUP_TRANSFER_H

#include <stdint.h>
#include <sys/stat.h>

#include "chain/chain.h"
#include "io/rootdir.h"
#include "tgt-glue/base/arena.h"

struct transfer {
	const struct root_dir *from, *to;
	struct parent_cache *cache; /* of from */
	struct arena *arena;
	/* How many files that were put aside stay; parents: at least one. */
	unsigned keep;
	/* A parent may take the place of one with another identity. */
	bool replaces;
	uint64_t copied; /* bytes that were written, of all */
};

/* The directories stay the caller's.  transfer_fini after a failure, too. */
int transfer_init(struct transfer *t, const struct root_dir *from,
		  const struct root_dir *to, struct arena *arena);
void transfer_fini(struct transfer *t);

/* 1: the directory has an image with the identity of image at path; 0: it has
 * no file there; -EEXIST: another one; or another -errno; with a message. */
int transfer_find(const struct root_dir *to, const char *path,
		  const struct image *image);
/*
 * Copies the images of an open, locked chain of `from' that `to' does not have,
 * from the last one to that at depth first.  0, or -errno with a message: those
 * of copy_file; -EEXIST: `to' has another image under the name, and `replaces'
 * is false; others.
 */
int transfer_parents(struct transfer *t, struct chain *chain, unsigned first);
/*
 * Copies the image io to path, whose parents are there, without the mark of a
 * snapshot, and with these permissions.  0, or -errno with a message: as above,
 * and -EBADMSG: the copy is not sound; then nothing has changed.
 */
int transfer_image(struct transfer *t, struct io *io, const char *path,
		   mode_t mode);
/* Makes the symbolic link at path in `from', if it is one, in `to'. */
int transfer_link(struct transfer *t, const char *path);
/* Makes the directories of the path in `to'. */
int transfer_make_directories(const struct root_dir *to, const char *path);

#endif
