/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The name KEEP that an old leaf gets (leaf-steps.c), and the lengths of names.
 *
 * THREADS: as leaf-steps.h.
 */
#ifndef VHDFS_STORE_LEAF_KEEP_H
#define VHDFS_STORE_LEAF_KEEP_H

#include "store/leaf-place.h"

/* Before anything is written.  0; -EEXIST with a message if KEEP exists, or a
 * name that Windows takes for the same; -ENAMETOOLONG if KEEP or a hidden name
 * of the replacement is too long; or another -errno with a message.  keep null:
 * none. */
int leaf_check_keep(const struct leaf_place *place, const char *keep);

#endif
