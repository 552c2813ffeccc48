/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for the children of an image in the whole store. */
#ifndef TGT_GLUE_CONFIG_CHILDREN_H
#define TGT_GLUE_CONFIG_CHILDREN_H

#include <sys/stat.h>

#include "store/store.h"
#include "tgt-glue/config/fleet.h"

/*
 * Finds an image that is, or may be, a child of the file st (see
 * store_find_child).  *ret is its path in the store, of the fleet's arena, or
 * null where there is none.  Returns 0, or -errno with a message where the
 * store cannot be read.
 *
 * The first call reads all images of the store; later calls read the images
 * that have changed.
 */
int children_find(struct fleet *fleet, const struct stat *st,
		  enum store_child_kind kin, const char **ret);

#endif
