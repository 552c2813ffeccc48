/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that a user without privileges may run: those that only read.
 *
 * A tgtd answers only root, and fleet.conf has secrets.  So systemd starts
 * `tgt-glue answer' as root for each connection to READER_SOCKET, which the
 * permissions of that socket admit (contrib/systemd/tgt-glue-status.socket).  A
 * tgt-glue of another user connects to it, and asks.
 *
 * REQUEST.  Words, each with a NUL at its end, and then an empty one: the name
 * of a command, its options of a fixed list, "--", operands.  No word names a
 * file, and no shell or program gets one.
 *
 * ANSWER.  What the command prints to standard output, which has no NUL; a NUL;
 * the exit code in decimal and a line feed; what it prints to standard error.
 */
#ifndef TGT_GLUE_COMMAND_READER_H
#define TGT_GLUE_COMMAND_READER_H

#include "tgt-glue/command/command.h"

#define READER_SOCKET "/run/tgt-glue/status"

enum {
	REQUEST_MAX = 8192,  /* bytes */
	REQUEST_WORDS = 256, /* with the null at their end */
};

struct reader_command {
	const char *name;
	int (*run)(const struct command_line *line);
	bool follow, disk, since; /* the options it takes, beside json */
	int min, max;             /* operands */
};

/* The command of that name, or that function (either may be null), if it is one
 * of these; else null. */
const struct reader_command *
reader_command(const char *name, int (*run)(const struct command_line *line));

/* Sets *ret to the command line of the request, a null-ended list of words;
 * what it does not name stays.  Returns the command, or null with a message if
 * the request is not allowed. */
const struct reader_command *reader_parse(char **words,
					  struct command_line *ret);

/*
 * Asks READER_SOCKET to run the command, and prints the answer.  Returns
 * whether that was done; the exit code is in *ret_code then.  False without
 * privileges of a reader: for root, where no such socket listens, and where the
 * command is none of these.
 */
bool reader_ask(const struct command_line *line,
		int (*run)(const struct command_line *line), int *ret_code);

/* Prints that the user has no permission to read all, and how to get it; then
 * reader_print_hint prints nothing. */
void reader_print_denied(void);
/* Prints how a user other than root can read, after a command that failed. */
void reader_print_hint(int (*run)(const struct command_line *line));

#endif
