/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is said to the administrator on standard error, each thing once: what
 * was said in the round before is not said again.
 */
#ifndef TGT_GLUE_BASE_MESSAGES_H
#define TGT_GLUE_BASE_MESSAGES_H

#include "tgt-glue/base/arena.h"

struct messages {
	struct arena pools[2]; /* of before and now */
	struct strings before;
	struct strings now;
};

/* "tgt-glue: ..." */
void messages_print(struct messages *messages, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* As it is, without the program's name. */
void messages_print_line(struct messages *messages, const char *line);
/* A new round begins. */
void messages_next_pass(struct messages *messages);
void messages_fini(struct messages *messages);

#endif
