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
/* The same after an operand NAME; with --all it is the only one. */
#define SELECT_OPERANDS_AFTER_NAME                                 \
	.operands = { "NAME CLIENT...", 2, INT_MAX, SELECT_KIND }, \
	.variant_option = "all", .variant = { "NAME", 1, 1, NULL }
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

/* Whether an operand selects a client of that name, which fleet.conf may no
 * longer have. */
bool select_matches(const struct fleet *fleet, const char *word,
		    const char *client);

/*
 * Asks whether the selected clients are to be changed, if the question is due:
 * "VERB 3 clients: ...".
 * Not for a caller that holds the lock: the answer may take long.  Returns
 * CLI_DONE for yes; CLI_FAILED for no; CLI_USAGE, after a message, where
 * standard input is no terminal.
 */
int select_confirm(const struct command_line *line, const char *verb,
		   const struct strings *clients);

/* The command line without its first operand, a NAME, for select_ask. */
struct command_line select_after_name(const struct command_line *line);

/*
 * Loads fleet.conf without the lock, selects and confirms.  Adds the names to
 * *ret, in arena.  Returns CLI_DONE, or the exit code, after a message.
 */
int select_ask(const struct command_line *line, const char *verb,
	       struct arena *arena, struct strings *ret);
/* True if the fleet, which was loaded after select_ask, still has these
 * clients; else names one that it lacks. */
bool select_exist(const struct command_line *line, const struct fleet *fleet,
		  const struct strings *clients);

/* The option --disk, and which disks a command takes. */
#define SELECT_DISK_OPTION(what) CLI_VALUE(disk, "disk", "NAME", "<disk>", what)
enum select_disk {
	SELECT_WITH_IMAGE,  /* with an image of the client's own */
	SELECT_WITH_MASTER, /* a child of a master, which a reset replaces */
};
/* True if each of the clients has the data disk of --disk, of that kind, or the
 * option is not given; else names those that have not. */
bool select_have_disk(const struct command_line *line,
		      const struct fleet *fleet, const char *verb,
		      enum select_disk kind, const struct strings *clients);

/* Completion: the names of clients, and @GROUP. */
void select_offer(const struct fleet *fleet, const char *word);

#endif
