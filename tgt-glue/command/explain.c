/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Explanation of clients: each value, and where it comes from. */
#include "config.h"

#include "tgt-glue/command/explain.h"

#include <stdio.h>
#include <string.h>

#include "base/printable.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/config/sections.h"

struct explaining {
	struct fleet *fleet;
	const struct client *client;
	struct sections sections;
};

static const char *number(struct explaining *e, unsigned n)
{
	return arena_printf(&e->fleet->conf.arena, "%u", n);
}

/* The value of a key that no section sets, or null. */
static const char *default_value(struct explaining *e, enum client_key key)
{
	const struct client *client = e->client;

	switch (key) {
	case CLIENT_OPEN:
	case CLIENT_READONLY:
	case CLIENT_THIN:
	case CLIENT_RESET:
		return "no";
	case CLIENT_WRITE_CACHE:
		return "yes";
	case CLIENT_USER:
		return client->user;
	case CLIENT_KEEP:
		return number(e, client->disks->keep);
	case CLIENT_TID:
		return number(e, client->tid);
	case CLIENT_SHARD:
		return number(e, client->home->number);
	default:
		return NULL;
	}
}

/* "KEY = VALUE" in columns, and where it comes from, or null. */
static void print_value(enum client_key key, const char *value,
			const char *from)
{
	const char *name = conf_client_key_name(key);

	if (from)
		print_line(stdout, "%-13s = %-24s  %s", name, value, from);
	else
		print_line(stdout, "%-13s = %s", name, value);
}

static void print_key(struct explaining *e, enum client_key key)
{
	struct conf *conf = &e->fleet->conf;
	const struct conf_client *section = sections_find(&e->sections, key);
	const struct setting *s = &section->keys[key];
	const char *value;

	if (!s->line) {
		value = default_value(e, key);
		print_value(key, value ? value : "(not set)",
			    value ? "default" : NULL);
		return;
	}
	for (; s; s = s->next) {
		const char *place = conf_place(conf, s->line);

		value = !s->value                        ? "(invalid)"
			: conf_client_key_is_secret(key) ? "(set)"
							 : s->value;
		if (section->shared)
			place = arena_printf(&conf->arena, "%s %s", place,
					     section->shared);
		print_value(key, value, place);
	}
}

/* "[group b], [group a], [defaults]" */
static const char *section_names(struct explaining *e)
{
	const char *text = e->sections.v[1]->shared;

	for (size_t i = 2; i < e->sections.n; i++)
		text = arena_printf(&e->fleet->conf.arena, "%s, %s", text,
				    e->sections.v[i]->shared);
	return text;
}

static bool matches_any(const struct conf *conf, const struct conf_group *group)
{
	for (size_t i = 0; i < conf->n_clients; i++)
		if (group_has(group, conf->clients[i]->name))
			return true;
	return false;
}

static void print_unused_groups(struct conf *conf)
{
	for (size_t i = 0; i < conf->n_groups; i++)
		if (!matches_any(conf, conf->groups[i]))
			print_line(stdout, "%s matches no client  %s",
				   conf->groups[i]->section.shared,
				   conf_place(conf,
					      conf->groups[i]->section.line));
}

static const struct conf_client *own_section(const struct conf *conf,
					     const char *name)
{
	for (size_t i = 0; i < conf->n_clients; i++)
		if (!strcmp(conf->clients[i]->name, name))
			return conf->clients[i];
	return NULL;
}

static void print_client(struct fleet *fleet, const struct client *client)
{
	struct conf *conf = &fleet->conf;
	struct explaining e = { .fleet = fleet, .client = client };

	e.sections = sections_of(conf, own_section(conf, client->name));
	print_line(stdout, "client %s (%s), then %s", client->name,
		   conf_place(conf, client->line), section_names(&e));
	for (int key = 0; key < CLIENT_KEYS; key++)
		print_key(&e, (enum client_key)key);
}

int explain_clients(const struct command_line *line, struct fleet *fleet)
{
	char *word[] = { (char *)line->explain, NULL };
	struct command_line selection = *line;
	struct strings names = { 0 };
	int code;

	selection.clients = word;
	code = select_clients(&selection, fleet, "check", &fleet->conf.arena,
			      &names);
	for (size_t i = 0; i < names.n; i++) {
		if (i)
			print_line(stdout, "%s", "");
		print_client(fleet, fleet_client(fleet, names.v[i]));
	}
	if (code == CLI_DONE)
		print_unused_groups(&fleet->conf);
	return code;
}
