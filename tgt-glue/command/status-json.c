/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Status as JSON. */
#include "config.h"

#include "tgt-glue/command/status-print.h"

#include "base/json.h"

static json_t *number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static json_t *sessions_json(const struct status_row *row)
{
	json_t *list = json_array();

	for (size_t i = 0; i < row->n_sessions; i++) {
		const struct status_session *s = &row->sessions[i];
		const struct traffic none = { 0 }, *t = s->traffic;
		bool known = t != NULL;

		t = known ? t : &none;
		json_array_append_new(
			list,
			json_pack(
				"{s:o, s:s, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
				"initiator",
				json_text(s->connection->initiator), "address",
				s->connection->address, "session",
				(json_int_t)s->connection->sid, "since",
				number_or_null(s->since, (uint64_t)s->since),
				"read-bytes",
				number_or_null(known, t->read_bytes),
				"read-commands",
				number_or_null(known, t->read_commands),
				"written-bytes",
				number_or_null(known, t->written_bytes),
				"write-commands",
				number_or_null(known, t->write_commands),
				"errors", number_or_null(known, t->errors)));
	}
	return list;
}

static json_t *row_json(const struct status_row *row)
{
	static const char *const children[] = { [CHILD_READY] = "ready",
						[CHILD_MISSING] = "missing",
						[CHILD_OTHER] = "other" };
	const struct client *c = row->client;

	return json_pack(
		"{s:s, s:s, s:I, s:i, s:s, s:o?, s:b, s:b, s:s, s:s, s:s, s:o?, s:s, s:I, s:o, s:o, s:I, s:o}",
		"name", c->name, "iqn", c->iqn, "tid", (json_int_t)c->tid,
		"shard", (int)row->shard->shard->number, "target",
		status_target_word(row), "difference",
		json_text(row->difference), "agrees", status_row_agrees(row),
		"restart", row->restart, "master", c->master, "child", c->child,
		"child-state", children[row->child], "child-why",
		json_text(row->child_why), "view", c->view, "disk-use",
		(json_int_t)row->disk_use, "blocks",
		number_or_null(row->divergence.of, row->divergence.blocks),
		"blocks-total",
		number_or_null(row->divergence.of, row->divergence.of),
		"writers", (json_int_t)row->n_writers, "sessions",
		sessions_json(row));
}

static json_t *foreign_json(const struct status_row *row)
{
	return json_pack("{s:o, s:i, s:s, s:o, s:b}", "target",
			 json_text(row->target->name), "shard",
			 (int)row->shard->shard->number, "client",
			 row->foreign->client->name, "path",
			 json_text(row->foreign->path), "writable",
			 !row->foreign->readonly);
}

static json_t *strings_json(const struct strings *list)
{
	json_t *all = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(all, json_text(list->v[i]));
	return all;
}

static json_t *shards_json(const struct status *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->fleet.n_shards; i++) {
		const struct shard_status *status = &s->shards[i];
		const struct shard *shard = status->shard;

		if (!status_shard_is_used(status))
			continue;
		json_array_append_new(
			list,
			json_pack("{s:i, s:i, s:o, s:s, s:b, s:b, s:I, s:o}",
				  "shard", (int)shard->number, "control-port",
				  shard->control_port, "portals",
				  strings_json(&shard->portals), "targets-file",
				  shard->targets_file, "retired",
				  shard->retired, "tgtd", !status->tgtd_error,
				  "clients", (json_int_t)status->n_clients,
				  "sessions",
				  number_or_null(!status->tgtd_error,
						 status->n_sessions)));
	}
	return list;
}

int status_print_json(const struct status *s)
{
	json_t *clients = json_array(), *extra = json_array();
	json_t *foreign = json_array(), *all;
	int r;

	for (size_t i = 0; i < s->n; i++) {
		const struct status_row *row = &s->rows[i];

		if (row->client)
			json_array_append_new(clients, row_json(row));
		else if (row->foreign)
			json_array_append_new(foreign, foreign_json(row));
		else
			json_array_append_new(extra,
					      json_text(row->target->name));
	}
	all = json_pack(
		"{s:s, s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:{s:I, s:I}}",
		"store", s->fleet.store, "mount", s->fleet.mount, "tgtd",
		s->tgtd_error == NULL, "mistaken", s->mistaken, "agrees",
		status_agrees(s), "size", (json_int_t)s->space.size, "free",
		(json_int_t)s->space.free, "min-free",
		(json_int_t)s->space.min_free, "shards", shards_json(s),
		"clients", clients, "extra", extra, "foreign", foreign,
		"orphans", "images", (json_int_t)s->orphans.n, "size",
		(json_int_t)s->orphans.size);
	r = json_print(all);
	json_decref(all);
	return r;
}
