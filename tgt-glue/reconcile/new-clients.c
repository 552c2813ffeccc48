/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New clients: find them, and name the images that they take up. */
#include "config.h"

#include "tgt-glue/reconcile/new-clients.h"

#include <time.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/printable.h"
#include "tgt-glue/base/events.h"
#include "tgt-glue/reconcile/kept-image.h"
#include "tgt-glue/reconcile/space.h"
#include "tgt-glue/reconcile/targets-conf.h"

static bool has_target(const struct reconcile *reconcile,
		       const struct client *client)
{
	for (size_t i = 0; i < reconcile->n; i++)
		if (tgtd_state_target(&reconcile->v[i].live, client->iqn))
			return true;
	return false;
}

/* Takes the clients that the targets-file names out of the list. */
static int remove_listed(const struct shard *shard, struct arena *arena,
			 struct pairs *clients)
{
	_cleanup_free_ char *text = NULL;
	struct last_applied written;
	struct pairs left = { 0 };
	int r = targets_conf_load(shard, &text, &written);

	for (size_t i = 0; i < clients->n; i++)
		if (!pairs_get(&written.blocks, clients->v[i].key))
			pairs_set(arena, &left, clients->v[i].key,
				  clients->v[i].value);
	last_applied_fini(&written);
	*clients = left;
	return r;
}

int new_clients_find(struct reconcile *reconcile,
		     bool (*concerns)(const struct reconcile *,
				      const struct client *),
		     struct pairs *ret)
{
	const struct fleet *fleet = reconcile->fleet;
	int r = 0;

	*ret = (struct pairs){ 0 };
	for (size_t i = 0; i < fleet->n; i++)
		if (!has_target(reconcile, &fleet->clients[i]) &&
		    concerns(reconcile, &fleet->clients[i]))
			pairs_set(&reconcile->arena, ret, fleet->clients[i].iqn,
				  fleet->clients[i].name);
	for (size_t i = 0; r == 0 && ret->n && i < fleet->n_shards; i++)
		r = remove_listed(&fleet->shards[i], &reconcile->arena, ret);
	return r;
}

/* Does the disk take up an image that the pass has not made?  One that is reset
 * is put aside. */
static bool takes_up(const struct reconcile *reconcile, const struct disk *disk)
{
	const struct disk_state *state =
		clients_disk(&reconcile->clients, disk);

	return disk->child && state->image != CHILD_MISSING &&
	       !plan_resets(&reconcile->options, disk);
}

/* Does a target of ours export the disk, though under another name?  Then
 * iqn-prefix has changed. */
static bool is_exported(const struct reconcile *reconcile,
			const struct disk *disk)
{
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct tgtd_state *live = &reconcile->v[i].live;

		for (size_t k = 0; k < live->n; k++)
			for (size_t l = 0; l < live->targets[k].n_luns; l++)
				if (live->targets[k].luns[l].disk == disk)
					return true;
	}
	return false;
}

static bool takes_up_any(const struct reconcile *reconcile,
			 const struct client *client)
{
	for (size_t i = 0; i < client->n_disks; i++)
		if (takes_up(reconcile, &client->disks[i]))
			return !is_exported(reconcile, client->disks);
	return false;
}

int new_clients_read(struct reconcile *reconcile)
{
	return reconcile->options.only
		       ? 0
		       : new_clients_find(reconcile, takes_up_any,
					  &reconcile->new_clients);
}

/* How the client gets another disk. */
static const char *advice(struct reconcile *reconcile, const struct disk *disk)
{
	struct arena *arena = &reconcile->arena;
	const char *kept, *reset = disk_reset_words(arena, disk);

	if (!disk->master)
		return arena_printf(
			arena,
			"for an empty one take %s out of fleet.conf, type `tgt-glue apply', and move the file away",
			disk->client->name);
	kept = kept_image_base(arena, reconcile->fleet, disk);
	if (text_equal(kept, disk->master))
		return arena_printf(arena,
				    "for a fresh one type `tgt-glue reset %s'",
				    reset);
	return arena_printf(
		arena,
		"for a fresh one type `tgt-glue keep --forget %s', for resets go back to %s, and `tgt-glue reset %s'",
		reset, kept, reset);
}

/* True if it was not reported by the pass before, of watch. */
static bool report_disk(struct reconcile *reconcile, const struct disk *disk)
{
	char date[sizeof "2026-01-31 23:59:59 +10000 years"] = "?";
	struct stat st = { 0 };
	struct tm tm;

	(void)fleet_stat(reconcile->fleet, disk->image, &st);
	if (localtime_r(&st.st_mtim.tv_sec, &tm))
		strftime(date, sizeof date, "%Y-%m-%d %H:%M:%S", &tm);
	return messages_print(
		reconcile->messages,
		"%s: new, and takes up %s, which exists: %s, last written %s; %s",
		disk_words(&reconcile->arena, disk), disk->image,
		size_text((uint64_t)st.st_blocks * 512), date,
		advice(reconcile, disk));
}

static void write_event(const struct reconcile *reconcile,
			const struct client *client, json_t *images)
{
	const struct event_log log = { reconcile->fleet->log_file,
				       reconcile->messages };
	const size_t n = json_array_size(images);
	const struct event event = { "images-taken-up", client->name,
				     LOG_NOTICE,
				     json_pack("{s:o}", "images", images) };

	event_write(&log, &event,
		    "it is new, and takes up %zu image%s of its name", n,
		    n == 1 ? "" : "s");
}

static void report_client(struct reconcile *reconcile,
			  const struct client *client)
{
	json_t *images = json_array();

	for (size_t i = 0; i < client->n_disks; i++)
		if (takes_up(reconcile, &client->disks[i]) &&
		    report_disk(reconcile, &client->disks[i]))
			json_array_append_new(
				images, json_text(client->disks[i].image));
	if (!reconcile->dry && json_array_size(images))
		write_event(reconcile, client, images);
	else
		json_decref(images);
}

void new_clients_report(struct reconcile *reconcile)
{
	const struct pairs *new = &reconcile->new_clients;

	for (size_t i = 0; i < new->n; i++) {
		const struct client *client =
			fleet_client(reconcile->fleet, new->v[i].value);

		/* A blocked one does not get its disks now. */
		if (!clients_state(&reconcile->clients, client)->blocked)
			report_client(reconcile, client);
	}
}
