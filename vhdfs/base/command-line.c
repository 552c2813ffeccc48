/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: the parser. */
#include "config.h"

#include "base/command-line-internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/printable.h"

const struct cli_option cli_help_option = {
	.name = "help",
	.help = "show this help",
	.letter = 'h',
};

const struct cli_option cli_version_option = {
	.name = "version",
	.help = "show the version",
};

const struct cli_command cli_help_command = {
	.name = "help",
	.summary = "show this help, or the help of a command",
	.operands = { "[COMMAND]", 0, 1, "<command>" },
};

static void add_option(struct cli_option_list *list,
		       const struct cli_option *option)
{
	assert(list->n < CLI_OPTIONS_MAX);
	list->at[list->n++] = option;
}

static void add_options(struct cli_option_list *list,
			const struct cli_option *options)
{
	for (; options && options->name; options++)
		add_option(list, options);
}

void cli_add_common_options(struct cli_option_list *list,
			    const struct cli_program *program)
{
	add_options(list, program->options);
	add_option(list, &cli_help_option);
	add_option(list, &cli_version_option);
}

struct cli_option_list cli_options_of(const struct cli_program *program,
				      const struct cli_command *command)
{
	struct cli_option_list list = { .n = 0 };

	if (command)
		add_options(&list, command->options);
	for (size_t i = 0; !command && program->commands[i]; i++)
		add_options(&list, program->commands[i]->options);
	cli_add_common_options(&list, program);
	return list;
}

const struct cli_option *cli_find_option(const struct cli_option_list *list,
					 const char *name, size_t len)
{
	const struct cli_option *found = NULL;
	bool ambiguous = false;

	for (size_t i = 0; i < list->n; i++) {
		const struct cli_option *option = list->at[i];

		if (strncmp(option->name, name, len) != 0)
			continue;
		if (!option->name[len])
			return option;
		ambiguous |= found && strcmp(found->name, option->name) != 0;
		found = option;
	}
	return ambiguous ? NULL : found;
}

static const struct cli_command *find_command(const struct cli_program *program,
					      const char *name)
{
	for (size_t i = 0; program->commands[i]; i++)
		if (!strcmp(program->commands[i]->name, name))
			return program->commands[i];
	return strcmp(cli_help_command.name, name) ? NULL : &cli_help_command;
}

int cli_usage_error(const struct cli_program *program,
		    const struct cli_command *command, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	print_line(stderr, "%s: %s; see `%s%s%s --help'", program->name, text,
		   program->name, command ? " " : "",
		   command ? command->name : "");
	return CLI_USAGE;
}

/* After --help errors are ignored, so that help is always shown. */
#define usage_error(p, ...)      \
	((p)->quiet || (p)->help \
		 ? 0             \
		 : cli_usage_error((p)->program, (p)->command, __VA_ARGS__))

static int append(struct cli_list *list, const char *value)
{
	const char **at = reallocarray(list->at, list->n + 1, sizeof *at);

	if (!at) {
		print_line(stderr, "out of memory");
		return CLI_FAILED;
	}
	list->at = at;
	at[list->n++] = value;
	return 0;
}

static int set_option(struct cli_parser *p, const struct cli_option *option,
		      const char *value)
{
	const char *variant = p->command ? p->command->variant_option : NULL;
	void *member = (char *)p->line + option->offset;

	p->variant |= variant && !strcmp(variant, option->name);
	if (option == &cli_help_option)
		p->help = true;
	else if (option == &cli_version_option)
		p->version = true;
	else if (option->repeatable)
		return append(member, value);
	else if (option->argument)
		*(const char **)member = value;
	else
		*(bool *)member = true;
	return 0;
}

/* The option that word names, which begins with "-"; null: unknown. */
static const struct cli_option *option_of(const struct cli_parser *p,
					  const char *word)
{
	const size_t len = strcspn(word, "=");

	for (size_t i = 0; len == 2 && i < p->known.n; i++)
		if (p->known.at[i]->letter == word[1])
			return p->known.at[i];
	if (len <= 2 || word[1] != '-')
		return NULL;
	return cli_find_option(&p->known, word + 2, len - 2);
}

static int unknown_option(const struct cli_parser *p, const char *word,
			  size_t len)
{
	const struct cli_option_list all = cli_options_of(p->program, NULL);

	if (p->command && len > 2 && cli_find_option(&all, word + 2, len - 2))
		return usage_error(p, "%.*s is not an option of '%s'", (int)len,
				   word, p->command->name);
	return usage_error(p, "unknown option %.*s", (int)len, word);
}

/* word begins with "-".  next is the word after it, or null.  *used_next: next
 * is the option's value. */
static int take_option(struct cli_parser *p, const char *word, const char *next,
		       bool *used_next)
{
	const struct cli_option *option = option_of(p, word);
	const char *equal_sign = strchr(word, '=');
	const char *value = equal_sign ? equal_sign + 1 : NULL;

	if (!option)
		return unknown_option(p, word, strcspn(word, "="));
	if (!option->argument && value)
		return usage_error(p, "%s takes no value", word);
	*used_next = option->argument && !value && next;
	if (*used_next)
		value = next;
	if (!option->argument || value)
		return set_option(p, option, value);
	p->lacks_value = option;
	return usage_error(p, "%s needs a value", word);
}

static int take_word(struct cli_parser *p, char *word, const char *next,
		     bool *used_next)
{
	if (!p->operands_only && !strcmp(word, "--"))
		p->operands_only = true;
	else if (!p->operands_only && word[0] == '-' && word[1])
		return take_option(p, word, next, used_next);
	else
		p->operands[p->n_operands++] = word;
	return 0;
}

/* The index of the word that is no option and no option's value; n: there is
 * none, or an unknown option before it. */
static int find_command_word(const struct cli_parser *p, char **words, int n)
{
	for (int i = 0; i < n; i++) {
		const struct cli_option *option;

		if (!strcmp(words[i], "--"))
			return i + 1;
		if (words[i][0] != '-' || !words[i][1])
			return i;
		option = option_of(p, words[i]);
		if (!option)
			return n;
		if (option->argument && !strchr(words[i], '='))
			i++;
	}
	return n;
}

int cli_take_words(struct cli_parser *p, char **words, int n)
{
	const int command = find_command_word(p, words, n);

	if (command < n) {
		p->command = find_command(p->program, words[command]);
		if (!p->command)
			return usage_error(p, "unknown command '%s'",
					   words[command]);
		p->known = cli_options_of(p->program, p->command);
	}
	p->after_command = n - command - 1;
	p->operands = words;
	for (int i = 0; i < n; i++) {
		const char *next = i + 1 < n ? words[i + 1] : NULL;
		bool used_next = false;
		int r = i == command ? 0
				     : take_word(p, words[i], next, &used_next);

		if (r != 0)
			return r;
		i += used_next;
	}
	return 0;
}

const struct cli_operands *cli_operands_of(const struct cli_parser *p)
{
	return p->variant ? &p->command->variant : &p->command->operands;
}

static int check_operands(const struct cli_parser *p)
{
	const struct cli_operands *operands = cli_operands_of(p);

	if (p->n_operands < operands->min)
		return usage_error(p, "expected %s, found %d operand%s",
				   operands->names, p->n_operands,
				   p->n_operands == 1 ? "" : "s");
	if (p->n_operands > operands->max)
		return usage_error(p, "unexpected operand '%s'",
				   p->operands[operands->max]);
	return 0;
}

/* "COMMAND help" */
static bool asks_for_help(const struct cli_parser *p)
{
	return p->n_operands == 1 && p->after_command == 1 &&
	       !strcmp(p->operands[0], "help") &&
	       (!p->command->operands.max ||
		!p->program->operand_exists(p->line, "help"));
}

/* "help [COMMAND]" */
static int run_help(const struct cli_parser *p)
{
	const char *name =
		p->n_operands ? p->operands[0] : cli_help_command.name;
	const struct cli_command *command = find_command(p->program, name);

	if (!command)
		return cli_usage_error(p->program, NULL, "unknown command '%s'",
				       name);
	cli_print_help(p->program, command);
	return CLI_DONE;
}

/* An exit code where the parser itself answers, or -1: the command must run. */
static int answer(const struct cli_parser *p)
{
	int r;

	if (p->version && !p->help) {
		printf("%s %s\n", p->program->name, PACKAGE_VERSION);
		return CLI_DONE;
	}
	if (p->help || (p->command && p->command != &cli_help_command &&
			asks_for_help(p))) {
		cli_print_help(p->program, p->command);
		return CLI_DONE;
	}
	if (!p->command)
		return usage_error(p, "expected a command, found none");
	r = check_operands(p);
	if (r == 0 && p->command == &cli_help_command)
		return run_help(p);
	return r == 0 ? -1 : r;
}

struct cli_call cli_parse(const struct cli_program *program, int argc,
			  char **argv, struct command_line *line)
{
	struct cli_parser p = { .program = program, .line = line };
	struct cli_call call = { 0 };

	p.known = cli_options_of(program, NULL);
	if (argc > 1 && !strcmp(argv[1], "--complete")) {
		cli_complete(&p, argv + 2, argc - 2);
		return call;
	}
	call.status = cli_take_words(&p, argv + 1, argc - 1);
	if (call.status == 0)
		call.status = answer(&p);
	if (call.status >= 0)
		return call;
	call.command = p.command;
	call.operands = p.operands;
	call.n_operands = p.n_operands;
	p.operands[p.n_operands] = NULL;
	return call;
}
