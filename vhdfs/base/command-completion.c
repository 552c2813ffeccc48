/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Command lines: completion of a word. */
#include "config.h"

#include "base/command-line-internal.h"

#include <stdio.h>
#include <string.h>

#include "base/printable.h"

void cli_offer(const char *word, const char *candidate)
{
	if (!strncmp(candidate, word, strlen(word)))
		print_line(stdout, "%s", candidate);
}

static void offer_commands(const struct cli_program *program, const char *word)
{
	for (size_t i = 0; program->commands[i]; i++)
		cli_offer(word, program->commands[i]->name);
	cli_offer(word, cli_help_command.name);
}

static void offer_options(const struct cli_option_list *list, const char *word)
{
	char text[80];

	for (size_t i = 0; i < list->n; i++) {
		snprintf(text, sizeof text, "--%s", list->at[i]->name);
		cli_offer(word, text);
	}
}

/* kind: "<file>" and so on. */
static void offer_kind(const struct cli_parser *p, const char *kind,
		       const char *word)
{
	if (!strcmp(kind, "<file>") || !strcmp(kind, "<directory>"))
		printf("%s\n", kind);
	else if (!strcmp(kind, "<command>"))
		offer_commands(p->program, word);
	else if (p->program->complete)
		p->program->complete(p->line, kind, p->operands, p->n_operands,
				     word);
}

static void offer_values(const struct cli_parser *p, const char *complete,
			 const char *word)
{
	const bool has_kind = complete && strchr(complete, '<');
	char text[80];

	while (complete && *complete) {
		const size_t len = strcspn(complete, " ");

		snprintf(text, sizeof text, "%.*s", (int)len, complete);
		if (*text == '<')
			offer_kind(p, text, word);
		else if (*word || !has_kind)
			cli_offer(word, text);
		complete += len + strspn(complete + len, " ");
	}
}

static void offer_operands(const struct cli_parser *p, const char *word)
{
	const struct cli_operands *operands = cli_operands_of(p);

	if (p->n_operands < operands->max)
		offer_values(p, operands->complete, word);
	else if (!*word && !operands->max)
		offer_options(&p->known, word);
}

/* Bash makes three words of "--NAME=VALUE". */
static int remove_equal_signs(char **words, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (strcmp(words[i], "=") != 0)
			words[kept++] = words[i];
	return kept;
}

/* The last of n words is the one to complete. */
void cli_complete(struct cli_parser *p, char **words, int n)
{
	const char *word = n && strcmp(words[n - 1], "=") ? words[n - 1] : "";

	n = remove_equal_signs(words, n ? n - 1 : 0);
	p->quiet = true;
	cli_take_words(p, words, n);
	if (p->lacks_value)
		offer_values(p,
			     p->lacks_value->values ? p->lacks_value->values()
						    : p->lacks_value->complete,
			     word);
	else if (*word == '-' && !p->operands_only && p->command)
		offer_options(&p->known, word);
	else if (p->command)
		offer_operands(p, word);
	else if (*word != '-')
		offer_commands(p->program, word);
	else {
		struct cli_option_list list = { .n = 0 };

		cli_add_common_options(&list, p->program);
		offer_options(&list, word);
	}
}
