/* SPDX-License-Identifier: GPL-2.0-or-later */
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

struct account {
	const char *user;
	const char *secret;
	const struct client *client;
};

static size_t add_account(struct account *list, size_t n,
			  const struct client *client, const char *user,
			  const char *secret)
{
	if (!user || !secret)
		return n;
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

		n = add_account(list, n, c, c->user, c->secret);
		n = add_account(list, n, c, c->mutual_user, c->mutual_secret);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++) {
			if (strcmp(list[i].user, list[k].user) != 0 ||
			    !strcmp(list[i].secret, list[k].secret))
				continue;
			fleet_mistake(
				fleet, list[i].client, list[i].client->line,
				"expected one secret for user '%s', found another secret at client %s (line %d); a tgtd has one secret per user",
				list[i].user, list[k].client->name,
				list[k].client->line);
			break;
		}
}
