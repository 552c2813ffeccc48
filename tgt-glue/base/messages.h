/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages to the administrator on standard error.
 *
 * `watch' makes pass after pass, and each finds the same problems again.  A
 * message is printed when its problem appears: not again in the same pass, and
 * not in a pass that follows one with the same message.
 */
#ifndef TGT_GLUE_BASE_MESSAGES_H
#define TGT_GLUE_BASE_MESSAGES_H

#include "tgt-glue/base/arena.h"

struct pass_messages {
	struct arena arena;
	struct strings lines;
};

/* Of the previous pass and of this one.  All zeros: no pass yet. */
struct messages {
	struct pass_messages before, now;
};

/* Prints "tgt-glue: MESSAGE".  Returns whether it was printed: false where it
 * is known. */
bool messages_print(struct messages *messages, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for a line as it is, without the program's name. */
bool messages_print_line(struct messages *messages, const char *line);
/* Begins a new pass. */
void messages_next_pass(struct messages *messages);
void messages_fini(struct messages *messages);

#endif
