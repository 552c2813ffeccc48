/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sections of fleet.conf that set the keys of one client, and groups. */
#include "config.h"

#include "tgt-glue/config/sections.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

static void add(struct conf *conf, struct sections *sections,
		const struct conf_client *section)
{
	sections->v = arena_grow(&conf->arena, sections->v, sections->n,
				 sizeof(const struct conf_client *));
	sections->v[sections->n++] = section;
}

struct sections sections_of(struct conf *conf, const struct conf_client *own)
{
	struct sections sections = { 0 };

	add(conf, &sections, own);
	for (size_t i = conf->n_groups; i-- > 0;)
		if (group_has(conf->groups[i], own->name))
			add(conf, &sections, &conf->groups[i]->section);
	add(conf, &sections, &conf->defaults);
	return sections;
}

/* The keys of one choice. */
static const enum client_key secrets[] = { CLIENT_SECRET, CLIENT_SECRET_FILE,
					   CLIENT_SECRET_DIR };
enum { N_SECRETS = sizeof secrets / sizeof *secrets };

static bool is_secret(enum client_key key)
{
	for (size_t i = 0; i < N_SECRETS; i++)
		if (secrets[i] == key)
			return true;
	return false;
}

const struct conf_client *sections_find(const struct sections *sections,
					enum client_key key)
{
	const bool choice = is_secret(key);
	const enum client_key *keys = choice ? secrets : &key;
	const size_t n = choice ? N_SECRETS : 1;

	for (size_t i = 0; i < sections->n; i++)
		for (size_t k = 0; k < n; k++)
			if (sections->v[i]->keys[keys[k]].line)
				return sections->v[i];
	return sections->v[sections->n - 1];
}

const struct conf_group *group_find(const struct conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_groups; i++)
		if (!strcmp(conf->groups[i]->section.name, name))
			return conf->groups[i];
	return NULL;
}

bool group_has(const struct conf_group *group, const char *client)
{
	for (const struct setting *s = &group->match; s; s = s->next) {
		const char *at = s->value ? s->value : "";
		char pattern[256]; /* more than a line of fleet.conf has */
		int n;

		for (; sscanf(at, " %255s%n", pattern, &n) == 1; at += n)
			if (fnmatch(pattern, client, 0) == 0)
				return true;
	}
	return false;
}
