/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Changes from one status in JSON to the next. */
#include "config.h"

#include "tgt-glue/command/status-follow.h"

#include <string.h>

/* The members that differ, or null; all that both have are compared. */
static json_t *differences(const json_t *before, const json_t *now,
			   const char *but)
{
	json_t *changed = json_object();
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)now, key, value)
	{
		if (strcmp(key, but) != 0 &&
		    !json_equal(value, json_object_get(before, key)))
			json_object_set(changed, key, value);
	}
	if (json_object_size(changed))
		return changed;
	json_decref(changed);
	return NULL;
}

static const char *name_of(const json_t *client)
{
	return json_string_value(json_object_get(client, "name"));
}

/* The client of that name.  Clients keep their order for the most part: the
 * search begins at hint. */
static json_t *find(const json_t *clients, const char *name, size_t hint)
{
	const size_t n = json_array_size(clients);

	for (size_t i = 0; i < n; i++) {
		json_t *client = json_array_get(clients, (hint + i) % n);

		if (!strcmp(name_of(client), name))
			return client;
	}
	return NULL;
}

static void add(json_t *list, const char *key, json_t *value)
{
	json_array_append_new(list, json_pack("{s:o}", key, value));
}

static void add_client(const json_t *before, json_t *client, json_t *list)
{
	json_t *changed;

	if (!before) {
		add(list, "client", json_incref(client));
		return;
	}
	changed = differences(before, client, "name");
	if (!changed)
		return;
	/* A reader takes the name first. */
	json_array_append_new(list, json_pack("{s:{s:s}}", "client", "name",
					      name_of(client)));
	json_object_update(
		json_object_get(json_array_get(list, json_array_size(list) - 1),
				"client"),
		changed);
	json_decref(changed);
}

void status_changes(const json_t *before, const json_t *now, json_t *list)
{
	const json_t *old = json_object_get(before, "clients");
	const json_t *new = json_object_get(now, "clients");
	json_t *client, *changed;
	size_t i;

	json_array_foreach(new, i, client)
		add_client(find(old, name_of(client), i), client, list);
	json_array_foreach(old, i, client)
	{
		if (!find(new, name_of(client), i))
			add(list, "client",
			    json_pack("{s:s, s:b}", "name", name_of(client),
				      "removed", 1));
	}
	changed = differences(before, now, "clients");
	if (changed)
		add(list, "store", changed);
}
