/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Status as JSON. */
#include "config.h"

#include "tgt-glue/command/status-print.h"

#include <math.h>

#include "base/json.h"
#include "tgt-glue/config/sections.h"

static json_t *bool_or_null(bool known, bool value)
{
	return known ? json_boolean(value) : json_null();
}

static json_t *number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

/* Bytes; 0: unknown. */
static json_t *size_or_null(uint64_t size)
{
	return number_or_null(size, size);
}

static json_t *growth_or_null(double growth)
{
	return isnan(growth) ? json_null() : json_integer((json_int_t)growth);
}

/* To a tenth of a day. */
static json_t *days_or_null(double days)
{
	return isnan(days) ? json_null()
			   : json_real((double)(int64_t)(days * 10 + 0.5) / 10);
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

/* Null where it is unknown, as why_json. */
static const char *child_word(enum client_image_state child, bool denied)
{
	static const char *const words[] = { [CHILD_READY] = "ready",
					     [CHILD_MISSING] = "missing",
					     [CHILD_OTHER] = "other" };

	return denied ? NULL : words[child];
}

static json_t *why_json(const char *why, bool denied)
{
	return denied ? json_null() : json_text(why);
}

static json_t *disks_json(const struct status *s, const struct status_row *row)
{
	static const char *const kinds[] = { [DISK_CHILD] = "master",
					     [DISK_OWN] = "size",
					     [DISK_SHARED] = "image",
					     [DISK_CDROM] = "cdrom" };
	json_t *list = json_array();

	for (size_t i = 0; i < row->n_disks; i++) {
		const struct status_disk *d = &row->disks[i];
		const struct disk *disk = d->disk;
		const bool used = disk->child && !d->denied;

		json_array_append_new(
			list,
			json_pack(
				"{s:s, s:I, s:s, s:b, s:b, s:s?, s:o?, s:s?, s:b, s:s, s:s?, s:o?, s:s, s:o, s:o, s:o, s:o}",
				"name", disk->name, "lun",
				(json_int_t)disk->lun, "kind",
				kinds[disk->kind], "exported", d->exported,
				"readonly", disk->readonly, "master",
				disk->master_name, "version",
				json_text(d->version), "wanted", disk->master,
				"behind", d->behind, "image", disk->image,
				"child-state", child_word(d->child, d->denied),
				"child-why", why_json(d->child_why, d->denied),
				"view", disk->view, "disk-use",
				number_or_null(used, d->disk_use), "quota",
				number_or_null(d->quota, d->quota), "blocks",
				number_or_null(d->divergence.of,
					       d->divergence.blocks),
				"blocks-total",
				number_or_null(d->divergence.of,
					       d->divergence.of)));
		json_object_set_new(json_array_get(list, i), "growth",
				    growth_or_null(d->growth));
		json_object_set_new(
			json_array_get(list, i), "io-errors",
			number_or_null(s->errors.known, d->io_errors));
		json_object_set_new(json_array_get(list, i), "disk-size",
				    size_or_null(disk->kind == DISK_OWN
							 ? disk->size
							 : d->divergence.size));
	}
	return list;
}

static json_t *refusal_json(const struct refusal *r)
{
	if (!r)
		return json_null();
	return json_pack("{s:I, s:o, s:s}", "when", (json_int_t)r->when,
			 "initiator",
			 r->initiator ? json_text(r->initiator) : json_null(),
			 "reason", r->reason);
}

/* The names of the client's groups. */
static json_t *groups_json(const struct status *s, const struct client *client)
{
	const struct conf *conf = &s->fleet.conf;
	json_t *list = json_array();

	for (size_t i = 0; i < conf->n_groups; i++)
		if (group_has(conf->groups[i], client->name))
			json_array_append_new(
				list, json_text(conf->groups[i]->section.name));
	return list;
}

static json_t *row_json(const struct status *s, const struct status_row *row)
{
	const struct client *c = row->client;
	const struct disk *disk = c->disks;

	return json_pack(
		"{s:o, s:o, s:o, s:s, s:s, s:I, s:i, s:s, s:b, s:o?, s:o, s:b, s:s, s:o?, s:s, s:b, s:s, s:s?, s:o?, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o}",
		"groups", groups_json(s, c), "io-errors",
		number_or_null(s->errors.known, row->io_errors), "disk-size",
		size_or_null(row->divergence.size), "name", c->name, "iqn",
		c->iqn, "tid", (json_int_t)c->tid, "shard",
		(int)row->shard->shard->number, "target",
		status_target_word(row), "denied", row->denied, "difference",
		json_text(row->difference), "agrees",
		bool_or_null(!row->denied, status_row_agrees(row)), "restart",
		row->restart, "master", disk->master_name, "version",
		json_text(row->version), "wanted", disk->master, "behind",
		row->behind, "child", disk->child, "child-state",
		child_word(row->child, row->child_denied), "child-why",
		why_json(row->child_why, row->child_denied), "view", disk->view,
		"disk-use", number_or_null(!row->child_denied, row->disk_use),
		"growth", growth_or_null(row->growth), "quota",
		number_or_null(row->quota, row->quota), "blocks",
		number_or_null(row->divergence.of, row->divergence.blocks),
		"blocks-total",
		number_or_null(row->divergence.of, row->divergence.of), "disks",
		disks_json(s, row), "writers", (json_int_t)row->n_writers,
		"initiators", (json_int_t)row->n_initiators, "sessions",
		sessions_json(row), "last-refusal", refusal_json(row->refusal));
}

static json_t *foreign_json(const struct status_row *row)
{
	return json_pack("{s:o, s:i, s:s, s:o, s:b}", "target",
			 json_text(row->target->name), "shard",
			 (int)row->shard->shard->number, "client",
			 row->foreign->disk->client->name, "path",
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
			json_pack(
				"{s:i, s:i, s:o, s:s, s:b, s:o, s:s?, s:I, s:o}",
				"shard", (int)shard->number, "control-port",
				shard->control_port, "portals",
				strings_json(&shard->portals), "targets-file",
				shard->targets_file, "retired", shard->retired,
				"tgtd",
				bool_or_null(!status->denied,
					     !status->tgtd_error),
				"tgtd-problem", status_shard_problem(status),
				"clients", (json_int_t)status->n_clients,
				"sessions",
				number_or_null(!status->tgtd_error,
					       status->n_sessions)));
	}
	return list;
}

static json_t *use_json(const struct image_use *use)
{
	json_t *all = json_object();

	for (size_t i = 0; i < USE_KINDS; i++)
		json_object_set_new(all, image_use_names[i],
				    json_integer((json_int_t)use->v[i]));
	return all;
}

json_t *status_json(const struct status *s)
{
	json_t *clients = json_array(), *extra = json_array();
	json_t *foreign = json_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct status_row *row = &s->rows[i];

		if (row->client)
			json_array_append_new(clients, row_json(s, row));
		else if (row->foreign)
			json_array_append_new(foreign, foreign_json(row));
		else
			json_array_append_new(extra,
					      json_text(row->target->name));
	}
	return json_pack(
		"{s:s, s:s, s:o, s:s?, s:o, s:s?, s:o, s:b, s:b, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o, s:o}",
		"store", s->fleet.store, "mount", s->fleet.mount, "mounted",
		bool_or_null(s->mount != MOUNT_DENIED,
			     s->mount == MOUNT_ANSWERS),
		"mount-problem", s->mount_problem, "tgtd",
		bool_or_null(status_tgtd_is_known(s), !s->tgtd_error),
		"tgtd-problem", s->tgtd_problem, "watch",
		bool_or_null(!s->watch_unknown, s->watch), "denied", s->denied,
		"mistaken", s->mistaken, "agrees",
		bool_or_null(status_agrees_is_known(s), status_agrees(s)),
		"size", (json_int_t)s->space.size, "free",
		(json_int_t)s->space.free, "min-free",
		(json_int_t)s->space.min_free, "days-until-full",
		days_or_null(s->days_until_full), "images",
		use_json(&s->orphans.use), "shards", shards_json(s), "clients",
		clients, "extra", extra, "foreign", foreign, "orphans",
		"images", number_or_null(!s->orphans_unknown, s->orphans.n),
		"size", number_or_null(!s->orphans_unknown, s->orphans.size),
		"reserve", number_or_null(s->reserve_known, s->reserve),
		"worker-deaths",
		number_or_null(s->deaths_known, s->deaths.count),
		"last-refusal",
		refusal_json(noticed_refusal(&s->noticed, NULL)));
}

int status_print_json(const struct status *s)
{
	json_t *all = status_json(s);
	int r = json_print(all);

	json_decref(all);
	return r;
}
