/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clients that a command line selects, for commands that change clients.
 *
 * An operand is the name of a client, a pattern of names as in a shell, or
 * @GROUP; --all stands for every client.  A command that would change several
 * clients, which the administrator did not name one by one, asks first, and
 * where it cannot ask, wants --yes.
 */
#ifndef TGT_GLUE_COMMAND_SELECT_H
#define TGT_GLUE_COMMAND_SELECT_H

#include "base/command-line.h"
#include "tgt-glue/command/command.h"

/* The options --all and --yes, and the operands, of such a command's table. */
#define SELECT_OPTIONS                                      \
	CLI_FLAG(all, "all", "every client of fleet.conf"), \
		CLI_FLAG(yes, "yes",                        \
			 "change several clients without a question")
#define SELECT_OPERANDS                                       \
	.operands = { "CLIENT...", 1, INT_MAX, SELECT_KIND }, \
	.variant_option = "all"
#define SELECT_NOTES                                                         \
	"CLIENT is a client's name, a pattern of names as 'pc0*' (quoted), " \
	"or @GROUP."
/* The kind of candidates of completion. */
#define SELECT_KIND "<clients>"

/*
 * Adds the names of the selected clients, each once, in the order of the
 * command line and of fleet.conf; they are the fleet's.  verb names the command
 * in messages.  Returns CLI_DONE, or CLI_FAILED after naming each operand that
 * selects no client.
 */
int select_clients(const struct command_line *line, const struct fleet *fleet,
		   const char *verb, struct arena *arena, struct strings *ret);

/*
 * Asks whether the selected clients are to be changed, if the question is due:
 * "VERB 3 clients: ...".
 * Not for a caller that holds the lock: the answer may take long.  Returns
 * CLI_DONE for yes; CLI_FAILED for no; CLI_USAGE, after a message, where
 * standard input is no terminal.
 */
int select_confirm(const struct command_line *line, const char *verb,
		   const struct strings *clients);

/* Completion: the names of clients, and @GROUP. */
void select_offer(const struct fleet *fleet, const char *word);

#endif
