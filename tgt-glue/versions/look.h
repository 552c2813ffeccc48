/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the program look-into tells of the file systems of a disk. */
#ifndef TGT_GLUE_VERSIONS_LOOK_H
#define TGT_GLUE_VERSIONS_LOOK_H

#include "tgt-glue/base/arena.h"

/* Lines of text, without the word that begins them. */
struct look {
	struct strings unclean;
	struct strings unchecked;
	struct strings identity;
};

/*
 * Runs the program with the view of an image: $VHDFS_LOOK_INTO, or else the one
 * that is installed.  *ret is in arena.  0, or -errno with a message: the
 * program cannot be run, or fails.
 */
int look_into(struct arena *arena, const char *view, struct look *ret);
/* "a; b; c", of at least one. */
const char *look_text(struct arena *arena, const struct strings *list);

#endif
