/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for the children of an image in the whole store. */
#ifndef TGT_GLUE_CONFIG_CHILDREN_H
#define TGT_GLUE_CONFIG_CHILDREN_H

#include <sys/stat.h>

#include "store/store.h"
#include "tgt-glue/base/arena.h"

/*
 * Finds an image that is, or may be, a child of the file st (see
 * store_find_child).  *ret is its path in the store, which the caller frees, or
 * null where there is none.  Returns 0, or -errno with a message where the
 * store cannot be read.
 *
 * *images is the catalog of the images in the directory store.  Where it is
 * NULL, the call opens it, which reads all images; later calls read the images
 * that have changed.  The caller closes it with store_close.
 */
int children_find(const char *store, struct store **images,
		  const struct stat *st, enum store_child_kind kin, char **ret);

/* The same, of all: adds their paths to *ret, in arena. */
int children_list(const char *store, struct store **images,
		  const struct stat *st, enum store_child_kind kin,
		  struct arena *arena, struct strings *ret);

#endif
