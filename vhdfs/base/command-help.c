/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: help. */
#include "config.h"

#include "base/command-line-internal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { LINE_WIDTH = 79 };

/* Words are separated by one space, or by newlines; column is the left edge and
 * where the cursor is. */
static void print_wrapped(const char *text, int column)
{
	int at = column;

	while (*text) {
		const int len = (int)strcspn(text, " \n");

		if (at > column && at + 1 + len > LINE_WIDTH) {
			printf("\n%*s", column, "");
			at = column;
		}
		at += printf("%s%.*s", at > column ? " " : "", len, text);
		text += len;
		if (*text == '\n') {
			printf("\n%*s", column, "");
			at = column;
		}
		text += *text != '\0';
	}
	printf("\n");
}

static int option_words(const struct cli_option *option, char *buf, size_t size)
{
	const char letter[] = { '-', option->letter, ',', ' ', '\0' };

	return snprintf(buf, size, "  %s--%s%s%s", option->letter ? letter : "",
			option->name, option->argument ? " " : "",
			option->argument ? option->argument : "");
}

static const char *option_help(const struct cli_option *option, char *buf,
			       size_t size)
{
	const char *help = option->help;
	const char *word = option->help_word ? strstr(help, "%s") : NULL;
	int len = word ? (int)(word - help) : (int)strlen(help);

	snprintf(buf, size, "%s%s%.*s",
		 option->values ? format_or(option->values()) : "",
		 option->values ? "; " : "", len, help);
	if (word)
		snprintf(buf + strlen(buf), size - strlen(buf), "%s%s",
			 option->help_word(), word + 2);
	return buf;
}

static void print_options(const struct cli_option_list *list)
{
	char text[1024];
	int width = 0;

	for (size_t i = 0; i < list->n; i++) {
		const int n = option_words(list->at[i], text, sizeof text);

		width = n > width ? n : width;
	}
	for (size_t i = 0; i < list->n; i++) {
		option_words(list->at[i], text, sizeof text);
		printf("%-*s  ", width, text);
		print_wrapped(option_help(list->at[i], text, sizeof text),
			      width + 2);
	}
}

static void print_summary(const char *summary)
{
	printf("%c%s.\n\n", toupper(*summary), summary + 1);
}

static void print_notes(const char *notes)
{
	if (!notes)
		return;
	printf("\n");
	print_wrapped(notes, 0);
}

static void print_usage(const char *begin, const struct cli_program *program,
			const struct cli_command *command,
			const struct cli_option *option,
			const struct cli_operands *operands)
{
	printf("%s%s %s", begin, program->name, command->name);
	if (option)
		printf(" --%s%s%s", option->name, option->argument ? " " : "",
		       option->argument ? option->argument : "");
	printf(" [OPTION...]%s%s\n", operands->max ? " " : "",
	       operands->max ? operands->names : "");
}

static void print_command_help(const struct cli_program *program,
			       const struct cli_command *command)
{
	const struct cli_option_list list = cli_options_of(program, command);
	const char *variant = command->variant_option;

	print_usage("Usage: ", program, command, NULL, &command->operands);
	if (variant)
		print_usage("       ", program, command,
			    cli_find_option(&list, variant, strlen(variant)),
			    &command->variant);
	print_summary(command->summary);
	print_options(&list);
	print_notes(command->notes);
}

static int command_name_width(const struct cli_program *program)
{
	int width = (int)strlen(cli_help_command.name);

	for (size_t i = 0; program->commands[i]; i++) {
		const int n = (int)strlen(program->commands[i]->name);

		width = n > width ? n : width;
	}
	return width;
}

static void print_program_help(const struct cli_program *program)
{
	const int width = command_name_width(program);
	struct cli_option_list list = { .n = 0 };

	cli_add_common_options(&list, program);
	printf("Usage: %s COMMAND [OPTION...] [OPERAND...]\n", program->name);
	print_summary(program->summary);
	printf("Commands:\n");
	for (size_t i = 0; program->commands[i]; i++)
		printf("  %-*s  %s\n", width, program->commands[i]->name,
		       program->commands[i]->summary);
	printf("  %-*s  %s\n\nOptions of every command:\n", width,
	       cli_help_command.name, cli_help_command.summary);
	print_options(&list);
	print_notes(program->notes);
}

void cli_print_help(const struct cli_program *program,
		    const struct cli_command *command)
{
	if (command && command != &cli_help_command)
		print_command_help(program, command);
	else
		print_program_help(program);
}
