/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another name of a parent in all its children. */
#ifndef TGT_GLUE_VERSIONS_REPARENT_H
#define TGT_GLUE_VERSIONS_REPARENT_H

#include "tgt-glue/config/fleet.h"

/*
 * Every child of the file, in the whole store, hidden or in use, names it by
 * this path from now on.  A child that does so already stays untouched.  0, or
 * -errno with a message; then some of them may.
 */
int reparent(const struct fleet *fleet, const struct stat *file,
	     const char *path);
#endif
