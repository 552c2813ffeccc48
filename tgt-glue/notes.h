/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said to the administrator on standard error, each thing once: what
 * was said in the round before is not said again.
 */
#ifndef TGT_GLUE_NOTES_H
#define TGT_GLUE_NOTES_H

#include "tgt-glue/pool.h"

struct notes {
	struct pool pools[2]; /* of before and now */
	struct strings before;
	struct strings now;
};

/* "tgt-glue: ..." */
void notes_say(struct notes *notes, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* As it is, without the program's name. */
void notes_say_line(struct notes *notes, const char *line);
/* A new round begins. */
void notes_turn(struct notes *notes);
void notes_fini(struct notes *notes);

#endif
