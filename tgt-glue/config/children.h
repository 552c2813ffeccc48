/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children of an image, wherever they lie in the store. */
#ifndef TGT_GLUE_CONFIG_CHILDREN_H
#define TGT_GLUE_CONFIG_CHILDREN_H

#include <sys/stat.h>

#include "store/store.h"
#include "tgt-glue/config/fleet.h"

/*
 * *ret is the path, in the store and of the fleet's pool, of an image that is a
 * child of the file st, or may be one (see store_child_of); null: there is
 * none.  0, or -errno with words where the store cannot be read.
 *
 * Reads all images of the store when it is first called, and later what has
 * changed.
 */
int children_find(struct fleet *fleet, const struct stat *st,
		  enum store_kin kin, const char **ret);

#endif
