/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients that a command line selects. */
#include "config.h"

#include "tgt-glue/command/select.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/config/sections.h"

/* How many clients a question names. */
enum { NAMED_MAX = 12 };

static bool is_pattern(const char *word)
{
	return strpbrk(word, "*?[");
}

/* Whether the word selects the client.  group: of @GROUP, or null. */
static bool selects(const char *word, const struct conf_group *group,
		    const char *client)
{
	if (group)
		return group_has(group, client);
	return is_pattern(word) ? fnmatch(word, client, 0) == 0
				: !strcmp(word, client);
}

bool select_matches(const struct fleet *fleet, const char *word,
		    const char *client)
{
	const struct conf_group *group =
		*word == '@' ? group_find(&fleet->conf, word + 1) : NULL;

	return selects(word, group, client);
}

static void report(const struct command_line *line, const char *verb,
		   const char *word, bool known_group)
{
	const char *expected = known_group    ? "a group with clients"
			       : *word == '@' ? "a group"
			       : is_pattern(word)
				       ? "a pattern that matches a client"
				       : "a client";

	print_line(
		stderr,
		"tgt-glue: %s: expected %s of %s, found '%s'; `tgt-glue status' lists the clients",
		verb, expected, line->config, word);
}

/* Adds the clients that the word selects.  Returns whether there is one. */
static bool add(const struct command_line *line, const struct fleet *fleet,
		const char *verb, const char *word, struct arena *arena,
		struct strings *ret)
{
	const struct conf_group *group =
		*word == '@' ? group_find(&fleet->conf, word + 1) : NULL;
	bool any = false;

	for (size_t i = 0; i < fleet->n; i++) {
		const char *name = fleet->clients[i].name;

		if (!selects(word, group, name))
			continue;
		any = true;
		if (!strings_have(ret, name))
			strings_add(arena, ret, name);
	}
	if (!any)
		report(line, verb, word, group);
	return any;
}

int select_clients(const struct command_line *line, const struct fleet *fleet,
		   const char *verb, struct arena *arena, struct strings *ret)
{
	bool known = true;

	for (char **word = line->clients; *word; word++)
		known &= add(line, fleet, verb, *word, arena, ret);
	if (line->all)
		known &= add(line, fleet, verb, "*", arena, ret);
	return known ? CLI_DONE : CLI_FAILED;
}

/* Whether the command line has the name of each client. */
static bool names_each(const struct command_line *line)
{
	for (char **word = line->clients; *word; word++)
		if (**word == '@' || is_pattern(*word))
			return false;
	return !line->all;
}

/* "VERB 3 clients: a b c", printable. */
static const char *question(struct arena *arena, const char *verb,
			    const struct strings *clients)
{
	const char *text =
		arena_printf(arena, "%s %zu clients:", verb, clients->n);

	for (size_t i = 0; i < clients->n && i < NAMED_MAX; i++)
		text = arena_printf(arena, "%s %s", text, clients->v[i]);
	if (clients->n > NAMED_MAX)
		text = arena_printf(arena, "%s and %zu more", text,
				    clients->n - NAMED_MAX);
	return text;
}

int select_confirm(const struct command_line *line, const char *verb,
		   const struct strings *clients)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_free_ char *answer = NULL;
	size_t size = 0;
	const char *text;

	if (clients->n < 2 || line->yes || names_each(line))
		return CLI_DONE;
	text = question(&arena, verb, clients);
	if (!isatty(STDIN_FILENO)) {
		print_line(
			stderr,
			"tgt-glue: expected --yes, because standard input is no terminal: %s",
			text);
		return CLI_USAGE;
	}
	fprintf(stderr, "%s? [y/N] ", text);
	if (getline(&answer, &size, stdin) > 0 &&
	    (!strcmp(answer, "y\n") || !strcmp(answer, "yes\n")))
		return CLI_DONE;
	print_line(stderr, "tgt-glue: nothing was changed");
	return CLI_FAILED;
}

void select_offer(const struct fleet *fleet, const char *word)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };

	for (size_t i = 0; i < fleet->n; i++)
		cli_offer(word, fleet->clients[i].name);
	for (size_t i = 0; i < fleet->conf.n_groups; i++)
		cli_offer(word,
			  arena_printf(&arena, "@%s",
				       fleet->conf.groups[i]->section.name));
}

struct command_line select_after_name(const struct command_line *line)
{
	struct command_line others = *line;

	others.clients++;
	return others;
}

int select_ask(const struct command_line *line, const char *verb,
	       struct arena *arena, struct strings *ret)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(arena_fini) struct arena own = { 0 };
	struct strings clients = { 0 };
	int code;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	code = select_clients(line, &fleet, verb, &own, &clients);
	if (code == CLI_DONE)
		code = select_confirm(line, verb, &clients);
	for (size_t i = 0; i < clients.n; i++)
		strings_add_once(arena, ret, clients.v[i]);
	return code;
}

bool select_exist(const struct command_line *line, const struct fleet *fleet,
		  const struct strings *clients)
{
	for (size_t i = 0; i < clients->n; i++)
		if (!command_client(line, fleet, clients->v[i]))
			return false;
	return true;
}

/* Reports why the command does not take the disk; null: there is none. */
static void report_disk(const struct command_line *line, const char *verb,
			enum select_disk kind, const char *client,
			const struct disk *disk)
{
	if (!disk)
		print_line(
			stderr,
			"tgt-glue: %s: expected a data disk of the client, found '%s', which client %s does not have; `disks' in fleet.conf names them",
			verb, line->disk, client);
	else if (kind == SELECT_WITH_IMAGE || !disk->child)
		print_line(
			stderr,
			"tgt-glue: %s: expected a disk with an image of the client's own, found disk %s of client %s, whose file all clients share",
			verb, line->disk, client);
	else
		print_line(
			stderr,
			"tgt-glue: %s: expected a disk with a master, found disk %s of client %s, which has none: its content is kept whatever is reset; %s",
			verb, line->disk, client,
			strcmp(verb, "keep") != 0
				? "to begin anew, log the client out and move its image away"
				: "`tgt-glue snapshot' keeps its present state under a name");
}

bool select_have_disk(const struct command_line *line,
		      const struct fleet *fleet, const char *verb,
		      enum select_disk kind, const struct strings *clients)
{
	bool good = true;

	for (size_t i = 0; line->disk && i < clients->n; i++) {
		const struct disk *disk = client_disk(
			fleet_client(fleet, clients->v[i]), line->disk);

		if (disk &&
		    (disk->kind == DISK_CHILD ||
		     (disk->kind == DISK_OWN && kind == SELECT_WITH_IMAGE)))
			continue;
		good = false;
		report_disk(line, verb, kind, clients->v[i], disk);
	}
	return good;
}
