/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that a user without privileges may run, and their requests. */
#include "config.h"

#include "tgt-glue/command/reader.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/error.h"

static const struct reader_command commands[] = {
	{ .name = "status", .run = command_status, .follow = true },
	{ .name = "disks",
	  .run = command_disks,
	  .disk = true,
	  .min = 1,
	  .max = 1 },
	{ .name = "versions", .run = command_versions, .max = 1 },
	{ .name = "orphans", .run = command_orphans },
	{ .name = "log",
	  .run = command_log,
	  .since = true,
	  .max = REQUEST_WORDS },
};

const struct reader_command *
reader_command(const char *name, int (*run)(const struct command_line *line))
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (name ? !strcmp(commands[i].name, name)
			 : commands[i].run == run)
			return &commands[i];
	return NULL;
}

/* The value of "--NAME=VALUE", or null. */
static const char *value_of(const char *word, const char *option)
{
	const size_t length = strlen(option);

	return strncmp(word, option, length) == 0 ? word + length : NULL;
}

/* Takes one option.  Returns whether the command has it. */
static bool parse_option(const struct reader_command *command, const char *word,
			 struct command_line *ret)
{
	const char *value;

	if (!strcmp(word, "--json"))
		ret->json = true;
	else if (command->follow && !strcmp(word, "--follow"))
		ret->follow = true;
	else if (command->disk && (value = value_of(word, "--disk=")))
		ret->disk = value;
	else if (command->since && (value = value_of(word, "--since=")))
		ret->since = value;
	else
		return false;
	return true;
}

const struct reader_command *reader_parse(char **words,
					  struct command_line *ret)
{
	const struct reader_command *command =
		*words ? reader_command(*words, NULL) : NULL;
	int n = 0;

	if (!command) {
		fail(-EPERM,
		     "request: expected a command that reads, found '%s'",
		     *words ? *words : "");
		return NULL;
	}
	for (words++; *words && strcmp(*words, "--") != 0; words++)
		if (!parse_option(command, *words, ret)) {
			fail(-EPERM,
			     "request: expected an option of %s that only reads, found '%s'",
			     command->name, *words);
			return NULL;
		}
	ret->clients = *words ? words + 1 : words;
	while (ret->clients[n])
		n++;
	if (n < command->min || n > command->max) {
		fail(-EPERM,
		     "request: %s: expected %d to %d operands, found %d",
		     command->name, command->min, command->max, n);
		return NULL;
	}
	return command;
}
