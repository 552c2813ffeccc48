/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Access control lists of targets, made from a client's settings. */
#include "config.h"

#include "tgt-glue/config/acl.h"

#include <string.h>

struct strings acl_entries(struct arena *arena, const struct client *client)
{
	struct strings list = { 0 };

	for (size_t i = 0; i < client->addresses.n; i++)
		strings_add(arena, &list, client->addresses.v[i]);
	if (!list.n)
		strings_add(arena, &list,
			    client->initiators.n ? ACCESS_NOBODY : ACCESS_ALL);
	for (size_t i = 0; i < client->initiators.n; i++)
		strings_add(arena, &list, client->initiators.v[i]);
	return list;
}

const char *acl_key(const char *entry)
{
	return !strncmp(entry, "iqn.", 4) || !strncmp(entry, "eui.", 4) ||
			       !strncmp(entry, "naa.", 4)
		       ? "initiator-name"
		       : "initiator-address";
}

/* A user of a client, and the user's secret. */
struct account {
	const char *user;
	const char *secret;
	const struct client *client;
};

/* Adds a client's account to the n in list, after comparing it with these. */
static size_t add_account(struct fleet *fleet, struct account *list, size_t n,
			  const struct client *client, const char *user,
			  const char *secret)
{
	if (!user || !secret)
		return n;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].user, user) != 0 ||
		    !strcmp(list[i].secret, secret))
			continue;
		fleet_mistake(
			fleet, client, client->line,
			"expected one secret for user '%s', found another secret at client %s (%s); a tgtd has one secret per user",
			user, list[i].client->name,
			conf_line(&fleet->conf, list[i].client->line));
		break;
	}
	list[n] = (struct account){ user, secret, client };
	return n + 1;
}

void acl_check_accounts(struct fleet *fleet)
{
	struct account *list = arena_alloc(&fleet->conf.arena,
					   (2 * fleet->n + 1) * sizeof *list);
	size_t n = 0;

	for (size_t i = 0; i < fleet->n; i++) {
		const struct client *c = &fleet->clients[i];

		n = add_account(fleet, list, n, c, c->user, c->secret);
		n = add_account(fleet, list, n, c, c->mutual_user,
				c->mutual_secret);
	}
}
