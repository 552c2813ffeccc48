/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room for the copies of a rebase, on the file system of the image.  It is
 * counted before anything is copied: a rebase that begins has room to end.
 */
#ifndef VHDFS_IMG_REBASE_ROOM_H
#define VHDFS_IMG_REBASE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "img/image-roots.h"

struct rebase_room {
	uint64_t needed, free; /* bytes */
};

/*
 * Adds what a rebase of the image at path image, an operand, to the parent at
 * path parent (null: none) needs to room->needed, and lowers room->free to what
 * is free there.  compare: see chain_rebase_room.  Reads without a lock: a
 * mount may have the image open.  0 or -errno.
 */
int rebase_room_add(const struct image_roots *roots, const char *image,
		    const char *parent, bool compare, struct rebase_room *room);

/*
 * 0, or -ENOSPC with a message if there is too little room.  Compares the
 * contents only if what may be copied does not fit.  0 if the images cannot be
 * read: what reads them next says why.  *ret is 0, or set with -ENOSPC.
 */
int rebase_room_check(const struct image_roots *roots, const char *image,
		      const char *parent, struct rebase_room *ret);

/* The same for a file that is to become the equal of an image: what makes the
 * disk of `to', whose leaf it is, that of `from'.  image is for the message;
 * ret may be null, and is set with -ENOSPC.  Other errors: chain_copy_room. */
int rebase_room_check_copy(struct chain *from, struct chain *to,
			   const char *image, struct rebase_room *ret);

/* -ENOSPC with a message that begins with the texts. */
int rebase_room_fail(const struct rebase_room *room, const char *image,
		     const char *what);

#endif
