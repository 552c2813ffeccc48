/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Command lines of programs that have commands: "PROGRAM COMMAND [OPTION...]
 * [OPERAND...]".
 *
 * A program describes its commands and options once, in a table.  From the
 * table come parsing, usage errors, "PROGRAM --help", "PROGRAM COMMAND --help",
 * "PROGRAM help [COMMAND]", "PROGRAM --version" and completion in a shell.
 *
 * PARSING.  An option is "--NAME", with a value "--NAME VALUE" or
 * "--NAME=VALUE"; NAME may be shortened as long as it is unambiguous.  An
 * option without a value may have a letter, "-s".  Options
 * may be before the command and after operands; after "--" every word is an
 * operand.  The last of equal options is used.  "COMMAND help" is
 * "COMMAND --help", unless "help" is the name of an operand that exists.
 *
 * COMPLETION.  "PROGRAM --complete WORD..." is for the shell's completion
 * script and is in no manual.  It prints what the last WORD can become, one
 * candidate a line.  "<file>" and "<directory>" stand for names that the shell
 * completes itself.  So the script needs no list of its own, and completes each
 * installation of a program by what that program takes.
 *
 * All functions are for the main thread.
 */
#ifndef VHDFS_BASE_COMMAND_LINE_H
#define VHDFS_BASE_COMMAND_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Defined by each program: a member for each option. */
struct command_line;

/* Exit codes that every program shares. */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/*
 * COMPLETION OF A VALUE OR AN OPERAND (the members called complete): candidates
 * separated by spaces, or null.  "<file>", "<directory>" and a program's own
 * kind such as "<client>" stand for many.  Beside a kind, a candidate is
 * offered only for a word that has at least one character.
 */

/*
 * An option.  Options of the same name in several commands have the same member
 * and the same kind of value; their help may differ.
 */
struct cli_option {
	size_t offset;        /* of the member in struct command_line */
	const char *name;     /* without "--"; null ends a list of options */
	const char *argument; /* name of the value; null: no value */
	const char *complete;
	const char *help;
	bool repeatable;
	/* The values, separated by spaces, where only the program knows them:
	 * help begins with them, and they are completed.  Else null. */
	const char *(*values)(void);
	char letter; /* "-LETTER" is the same as "--NAME"; 0: none */
	/* Returns the text for %s in help, which only the program knows; null
	 * if help has no %s. */
	const char *(*help_word)(void);
};

#define CLI_OPTION(member, ...)                                    \
	{                                                          \
		offsetof(struct command_line, member), __VA_ARGS__ \
	}
/* Without a value; the member is a bool. */
#define CLI_FLAG(member, name, help) \
	CLI_OPTION(member, name, NULL, NULL, help, false, NULL, 0, NULL)
/* The same; help_word returns the text for %s in help. */
#define CLI_FLAG_OF(member, name, help, help_word) \
	CLI_OPTION(member, name, NULL, NULL, help, false, NULL, 0, help_word)
/* As CLI_FLAG, also as "-LETTER". */
#define CLI_LETTER(member, letter, name, help) \
	CLI_OPTION(member, name, NULL, NULL, help, false, NULL, letter, NULL)
/* With a value; the member is a const char *, null: not given. */
#define CLI_VALUE(member, name, argument, complete, help) \
	CLI_OPTION(member, name, argument, complete, help, false, NULL, 0, NULL)
/* The same with one of the values that the function values returns. */
#define CLI_CHOICE(member, name, argument, values, help, help_word)      \
	CLI_OPTION(member, name, argument, NULL, help, false, values, 0, \
		   help_word)
/* Repeatable, with a value; the member is a struct cli_list. */
#define CLI_LIST(member, name, argument, complete, help) \
	CLI_OPTION(member, name, argument, complete, help, true, NULL, 0, NULL)
#define CLI_END              \
	{                    \
		.name = NULL \
	}

/* Values of a repeatable option, in their order.  at: free() it. */
struct cli_list {
	const char **at;
	size_t n;
};

struct cli_operands {
	const char *names; /* such as "SOURCE TARGET"; null where max is 0 */
	int min, max;
	const char *complete;
};

struct cli_command {
	const char *name;
	const char *summary; /* an imperative sentence without a full stop */
	const char *notes;   /* the end of its help, or null */
	const struct cli_option *options; /* its own; null: none */
	struct cli_operands operands;
	/* An option that replaces the operands, or null. */
	const char *variant_option;
	struct cli_operands variant;
	/* Returns an exit code. */
	int (*run)(const struct command_line *line);
};

struct cli_program {
	const char *name;
	const char *summary;
	const char *notes;
	const struct cli_option *options;          /* of every command */
	const struct cli_command *const *commands; /* null-ended */
	/* Does an operand of this name exist?  Required if a command has
	 * operands. */
	bool (*operand_exists)(const struct command_line *line,
			       const char *name);
	/* Calls cli_offer for each candidate of a kind of its own, after the
	 * n operands before it; null where it has none. */
	void (*complete)(const struct command_line *line, const char *kind,
			 char *const *operands, int n, const char *word);
};

struct cli_call {
	const struct cli_command *command; /* null: nothing to run */
	int status;      /* the exit code where there is nothing to run */
	char **operands; /* into argv, null-ended */
	int n_operands;
};

/*
 * Parses argv, whose words are put into another order, and sets the members of
 * line.  Where the command line asks for help or has an error, the function
 * answers it itself: help goes to standard output, an error to standard error
 * in one line.
 */
struct cli_call cli_parse(const struct cli_program *program, int argc,
			  char **argv, struct command_line *line);

/* Prints "PROGRAM: fmt; see `PROGRAM COMMAND --help'" to standard error.
 * command may be null.  Returns CLI_USAGE. */
int cli_usage_error(const struct cli_program *program,
		    const struct cli_command *command, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Prints candidate if it begins with word. */
void cli_offer(const char *word, const char *candidate);

#endif
