/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explanation of clients: each value, and where it comes from. */
#ifndef TGT_GLUE_COMMAND_EXPLAIN_H
#define TGT_GLUE_COMMAND_EXPLAIN_H

#include "tgt-glue/command/command.h"

/* Prints the values of the clients that line->explain selects (select.h), and
 * the groups that match no client.  The fleet may have mistakes, which were
 * reported.  Returns an exit code. */
int explain_clients(const struct command_line *line, struct fleet *fleet);

#endif
