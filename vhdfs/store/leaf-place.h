/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The directory and the names of an image whose leaf is replaced
 * (leaf-steps.h).
 *
 * Each function returns 0, or -errno with a message.  THREADS: as leaf-steps.h.
 */
#ifndef VHDFS_STORE_LEAF_PLACE_H
#define VHDFS_STORE_LEAF_PLACE_H

#include <sys/stat.h>

#include "format/image.h"
#include "io/io.h"
#include "io/rootdir.h"

/* The directory and the names of an image, and its old leaf. */
struct leaf_place {
	const struct root_dir *rootdir;
	char *dir;           /* absolute; owned */
	const char *name;    /* NAME */
	char *path;          /* dir and name; owned */
	char *leaf, *intent; /* the hidden names; owned */
	int fd;              /* of the directory; owned */
	/* Set by the caller, and the caller's: the old leaf's file, locked; and
	 * its image, which leaf_write and leaf_mark need. */
	struct io *io;
	struct image *img;
	struct stat st; /* of the old leaf's file: leaf_place_check */
	/* The .NAME.leaf that leaf_create made: keeps its lock; owned; -1:
	 * none. */
	int made;
};

/* Opens the directory of the image at real, a path that root_dir_open returned.
 * The root directory outlives the place.
 * leaf_place_fini frees what is owned, after a failure too. */
int leaf_place_init(struct leaf_place *place, const struct root_dir *rootdir,
		    const char *real);
void leaf_place_fini(struct leaf_place *place);
/* Checks that NAME is the file io.  -EBUSY: it is another one now. */
int leaf_place_check(struct leaf_place *place);
/* Makes the names of the directory durable. */
int leaf_sync_dir(const struct leaf_place *place);

#endif
