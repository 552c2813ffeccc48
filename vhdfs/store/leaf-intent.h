/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The intent of a replacement of a leaf (L3 and L7 of leaf-steps.c): a file
 * beside the image, which tells a recovery what an interrupted one was about to
 * do.
 *
 * Each function returns 0, or -errno with a message.  THREADS: as leaf-steps.h.
 */
#ifndef VHDFS_STORE_LEAF_INTENT_H
#define VHDFS_STORE_LEAF_INTENT_H

#include <limits.h>
#include <sys/types.h>

#include "store/leaf-place.h"

struct leaf_intent {
	char keep[NAME_MAX + 1]; /* KEEP; empty: none */
	mode_t mode;             /* of the old leaf */
	/* The number of the directory in which it was written; 0: unknown.  It
	 * tells an intent of a copy of the directory. */
	ino_t dir;
};

/* 1, or 0 if there is none.  -EBADMSG: other text. */
int leaf_intent_read(const struct leaf_place *place, struct leaf_intent *ret);
/* L3; keep may be null: none. */
int leaf_intent_write(const struct leaf_place *place, const char *keep);
/* L7 */
int leaf_intent_remove(const struct leaf_place *place);

/* Writes the text to a file in the directory, which appears complete or not at
 * all under the name; a file NAME.new may be left after a failure. */
int leaf_record_write(const struct leaf_place *place, const char *name,
		      const char *text);

#endif
