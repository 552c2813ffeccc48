/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: the parser, and what help and completion use of it. */
#ifndef VHDFS_BASE_COMMAND_LINE_INTERNAL_H
#define VHDFS_BASE_COMMAND_LINE_INTERNAL_H

#include "base/command-line.h"

enum { CLI_OPTIONS_MAX = 64 };

struct cli_option_list {
	const struct cli_option *at[CLI_OPTIONS_MAX];
	size_t n;
};

struct cli_parser {
	const struct cli_program *program;
	struct command_line *line;
	const struct cli_command *command; /* null: none, or unknown */
	int after_command;                 /* number of words after it */
	/* Options of the command; without a command, of all commands. */
	struct cli_option_list known;
	/* The option whose value is missing at the end, or null. */
	const struct cli_option *lacks_value;
	char **operands; /* at the front of the words */
	int n_operands;
	bool help, version;
	bool variant;       /* the command's variant_option is given */
	bool operands_only; /* after "--" */
	bool quiet;         /* errors are ignored, for completion */
};

/* Options and a command that every program has. */
extern const struct cli_option cli_help_option, cli_version_option;
extern const struct cli_command cli_help_command;

/* Appends the options of every command. */
void cli_add_common_options(struct cli_option_list *list,
			    const struct cli_program *program);
/* The options that command takes; null: the options of all commands. */
struct cli_option_list cli_options_of(const struct cli_program *program,
				      const struct cli_command *command);
/* The option of that name, or else the only option whose name begins with
 * these len characters; null: none. */
const struct cli_option *cli_find_option(const struct cli_option_list *list,
					 const char *name, size_t len);

/* Parses n words.  0, or an exit code. */
int cli_take_words(struct cli_parser *p, char **words, int n);
/* The operands that the command takes, with the options that are given. */
const struct cli_operands *cli_operands_of(const struct cli_parser *p);

/* Prints the help of a command; null or cli_help_command: of the program. */
void cli_print_help(const struct cli_program *program,
		    const struct cli_command *command);
/* Prints the candidates for the last of n words.  Changes the array. */
void cli_complete(struct cli_parser *p, char **words, int n);

#endif
