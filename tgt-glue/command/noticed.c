/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What watch has noticed: the file. */
#include "config.h"

#include "tgt-glue/command/noticed.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"

#define FILE_ENDING ".noticed"

static const char *copy(struct arena *arena, const char *text)
{
	return text ? arena_strdup(arena, text) : NULL;
}

static const char *text_of(struct arena *arena, const json_t *object,
			   const char *key)
{
	return copy(arena, json_string_value(json_object_get(object, key)));
}

const struct refusal *noticed_refusal(const struct noticed *noticed,
				      const char *client)
{
	for (size_t i = 0; i < noticed->n; i++)
		if (text_equal(noticed->refusals[i].client, client))
			return &noticed->refusals[i];
	return NULL;
}

/* The strings stay the caller's. */
static void set(struct noticed *noticed, struct refusal refusal)
{
	for (size_t i = 0; i < noticed->n; i++)
		if (text_equal(noticed->refusals[i].client, refusal.client)) {
			noticed->refusals[i] = refusal;
			return;
		}
	noticed->refusals = arena_grow(&noticed->arena, noticed->refusals,
				       noticed->n, sizeof *noticed->refusals);
	noticed->refusals[noticed->n++] = refusal;
}

void noticed_set_refusal(struct noticed *noticed, const struct refusal *refusal)
{
	struct arena *arena = &noticed->arena;

	set(noticed,
	    (struct refusal){ copy(arena, refusal->client), refusal->when,
			      copy(arena, refusal->initiator),
			      copy(arena, refusal->reason) });
}

static void read_refusal(struct noticed *ret, const json_t *object)
{
	struct arena *arena = &ret->arena;
	const struct refusal refusal = { text_of(arena, object, "client"),
					 json_integer_value(json_object_get(
						 object, "when")),
					 text_of(arena, object, "initiator"),
					 text_of(arena, object, "reason") };

	if (refusal.reason)
		set(ret, refusal);
}

int noticed_load(const struct fleet *fleet, struct noticed *ret)
{
	_cleanup_free_ char *text = NULL;
	json_t *all, *object;
	const char *cursor;
	size_t i;
	int r;

	memset(ret, 0, sizeof *ret);
	if (!fleet->n_shards)
		return 0;
	r = shard_file_read(&fleet->shards[0], FILE_ENDING, &text);
	all = text ? json_loads(text, 0, NULL) : NULL;
	cursor = json_string_value(json_object_get(all, "cursor"));
	ret->mount = text_of(&ret->arena, all, "mount");
	ret->deaths =
		(uint32_t)json_integer_value(json_object_get(all, "deaths"));
	ret->cursor = cursor ? strdup(cursor) : NULL;
	json_array_foreach(json_object_get(all, "refusals"), i, object)
		read_refusal(ret, object);
	json_decref(all);
	return r;
}

static json_t *refusals_json(const struct noticed *noticed)
{
	json_t *list = json_array();

	for (size_t i = 0; i < noticed->n; i++) {
		const struct refusal *r = &noticed->refusals[i];

		json_array_append_new(
			list, json_pack("{s:o?, s:I, s:o?, s:o}", "client",
					json_text(r->client), "when",
					(json_int_t)r->when, "initiator",
					json_text(r->initiator), "reason",
					json_text(r->reason)));
	}
	return list;
}

/* Copies what is to be kept: the arena frees nothing by itself. */
static void compact(struct noticed *noticed, const struct fleet *fleet)
{
	struct noticed next = { .deaths = noticed->deaths,
				.cursor = noticed->cursor };

	next.mount = copy(&next.arena, noticed->mount);
	for (size_t i = 0; i < noticed->n; i++) {
		const struct refusal *r = &noticed->refusals[i];

		if (!r->client || fleet_client(fleet, r->client))
			noticed_set_refusal(&next, r);
	}
	arena_fini(&noticed->arena);
	*noticed = next;
}

static char *print(const struct noticed *noticed)
{
	json_t *all =
		json_pack("{s:s?, s:I, s:s?, s:o}", "mount", noticed->mount,
			  "deaths", (json_int_t)noticed->deaths, "cursor",
			  noticed->cursor, "refusals", refusals_json(noticed));
	char *text = all ? json_dumps(all, JSON_INDENT(1)) : NULL;

	json_decref(all);
	return text;
}

int noticed_save(struct noticed *noticed, const struct fleet *fleet)
{
	_cleanup_free_ char *text = NULL;
	int r;

	compact(noticed, fleet);
	text = print(noticed);
	if (!text)
		return fail(-ENOMEM, "out of memory");
	if (!fleet->n_shards)
		return 0;
	r = shard_file_write(&fleet->shards[0], FILE_ENDING, text, 0600);
	return r < 0 && !error_is_no_space(r) ? r : 0;
}

void noticed_fini(struct noticed *noticed)
{
	free(noticed->cursor);
	arena_fini(&noticed->arena);
	memset(noticed, 0, sizeof *noticed);
}
