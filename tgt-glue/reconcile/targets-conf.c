/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The targets-file: the fleet as a targets.conf of tgt-admin. */
#include "config.h"

#include "tgt-glue/reconcile/targets-conf.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/config/acl.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/base/textfile.h"

const struct pair targets_parameters[] = {
	{ "MaxRecvDataSegmentLength", "262144" },
	{ "MaxXmitDataSegmentLength", "262144" },
	{ "FirstBurstLength", "262144" },
	{ NULL, NULL },
};

/* Always the form with a block and a lun: tgt-admin numbers single-line stores
 * in the order of their paths. */
static void print_store(FILE *f, const struct client *client,
			const struct client_state *state)
{
	fprintf(f, "\t<backing-store %s>\n", state->view);
	fprintf(f, "\t\tlun 1\n\t\tbs-type rdwr\n");
	fprintf(f, "\t\tscsi_id %s\n\t\tscsi_sn %s\n", client->scsi_id,
		client->scsi_sn);
	if (state->sector_size != 512)
		fprintf(f, "\t\tblock-size %" PRIu32 "\n", state->sector_size);
	fprintf(f, "\t\twrite-cache %s\n", client->write_cache ? "on" : "off");
	if (client->readonly)
		fprintf(f, "\t\treadonly 1\n");
	if (client->thin)
		fprintf(f, "\t\tparams thin_provisioning=1\n");
	fprintf(f, "\t</backing-store>\n");
}

static void print_access(FILE *f, struct arena *arena,
			 const struct client *client)
{
	struct strings acl = acl_entries(arena, client);

	for (size_t i = 0; i < acl.n; i++)
		fprintf(f, "\t%s %s\n", acl_key(acl.v[i]), acl.v[i]);
	if (client->user)
		fprintf(f, "\tincominguser %s %s\n", client->user,
			client->secret);
	if (client->mutual_user)
		fprintf(f, "\toutgoinguser %s %s\n", client->mutual_user,
			client->mutual_secret);
}

const char *targets_conf_block(const struct clients *clients,
			       const struct client *client)
{
	struct arena *arena = clients->arena;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = text_open(&text, &size);

	fprintf(f,
		"<target %s>\n\tdriver iscsi\n\tcontroller_tid %" PRIu32
		"\n\tallow-in-use yes\n",
		client->iqn, client->tid);
	for (const struct pair *p = targets_parameters; p->key; p++)
		fprintf(f, "\t%s %s\n", p->key, p->value);
	print_store(f, client, clients_state(clients, client));
	print_access(f, arena, client);
	fprintf(f, "</target>\n");
	text_close(f);
	return arena_strdup(arena, text);
}

char *targets_conf_text(const struct clients *clients,
			const struct shard *shard, const struct strings *kept)
{
	const struct fleet *fleet = clients->fleet;
	char *text = NULL;
	size_t size;
	FILE *f = text_open(&text, &size);

	fputs("# Written by tgt-glue from fleet.conf: change that, and run `tgt-glue apply'.\n",
	      f);
	if (shard->number)
		fprintf(f, "# Shard %u, for tgtd -C %d --iscsi %s\n",
			shard->number, shard->control_port,
			shard_iscsi_options(clients->arena, shard));
	for (size_t i = 0; i < fleet->n; i++)
		if (clients->v[i].shard == shard && !clients->v[i].unlisted)
			fprintf(f, "\n%s",
				targets_conf_block(clients,
						   &fleet->clients[i]));
	for (size_t i = 0; kept && i < kept->n; i++)
		fprintf(f, "\n%s", kept->v[i]);
	text_close(f);
	return text;
}

int targets_conf_load(const struct shard *shard, char **ret_text,
		      struct last_applied *ret)
{
	int r = shard_file_read(shard, "", ret_text);

	memset(ret, 0, sizeof *ret);
	if (r == 0)
		last_applied_parse(ret, *ret_text);
	return r;
}

int targets_conf_kept(const struct clients *clients, const struct shard *shard,
		      const struct tgtd_state *state, struct strings *ret)
{
	const struct fleet *fleet = clients->fleet;
	struct last_applied written;
	_cleanup_free_ char *text = NULL;
	int r = targets_conf_load(shard, &text, &written);

	for (size_t i = 0; i < state->n; i++) {
		const struct tgtd_target *t = &state->targets[i];
		const struct client *successor = exports_writable(t);
		const char *block = pairs_get(&written.blocks, t->name);

		if (t->ours && block && successor &&
		    clients_state(clients, successor)->unlisted &&
		    !fleet_client_by_iqn(fleet, t->name))
			strings_add(clients->arena, ret,
				    arena_strdup(clients->arena, block));
	}
	last_applied_fini(&written);
	return r;
}

/* The target's block in text, with the line end before it; null: none. */
static const char *find_block(const char *text, const char *iqn)
{
	_cleanup_free_ char *first = NULL;

	if (asprintf(&first, "\n<target %s>\n", iqn) < 0)
		abort();
	return strstr(text, first);
}

/* Replaces the target's block in *text, which is allocated; with null removes
 * it and the empty line before it. */
static void replace_block(char **text, const char *iqn, const char *block)
{
	static const char end[] = "</target>\n";
	_cleanup_free_ char *old = NULL;
	const char *start = find_block(*text, iqn), *after;

	after = start ? strstr(start, end) : NULL;
	if (!after)
		return;
	old = *text;
	if (asprintf(text, "%.*s%s%s%s", (int)(start - old), old,
		     block ? "\n" : "", block ? block : "",
		     after + sizeof end - 1) < 0)
		abort();
}

/* Adds the block of a client that *text lacks: before that of the next client
 * that it has, as targets_conf_text orders them. */
static void add_block(const struct clients *clients,
		      const struct client *client, char **text)
{
	const struct fleet *fleet = clients->fleet;
	_cleanup_free_ char *old = *text;
	const char *at = NULL;

	for (const struct client *next = client + 1;
	     !at && next < fleet->clients + fleet->n; next++)
		at = find_block(*text, next->iqn);
	if (!at)
		at = *text + strlen(*text);
	if (asprintf(text, "%.*s\n%s%s", (int)(at - old), old,
		     targets_conf_block(clients, client), at) < 0)
		abort();
}

int targets_conf_text_replaced(const struct clients *clients,
			       const struct shard *shard,
			       const struct strings *names, char **ret_text)
{
	int r = shard_file_read(shard, "", ret_text);

	for (size_t i = 0; r == 0 && i < names->n; i++) {
		const struct client *client =
			fleet_client(clients->fleet, names->v[i]);

		if (clients_state(clients, client)->shard != shard)
			continue;
		if (clients_state(clients, client)->unlisted)
			replace_block(ret_text, client->iqn, NULL);
		else if (find_block(*ret_text, client->iqn))
			replace_block(ret_text, client->iqn,
				      targets_conf_block(clients, client));
		else if (**ret_text)
			add_block(clients, client, ret_text);
	}
	return r;
}

/* The client whose view is the store of the block, or null. */
static const struct client *client_of_store(const struct fleet *fleet,
					    const char *block)
{
	static const char start[] = "<backing-store ";
	const char *path = strstr(block, start);

	for (size_t i = 0; path && i < fleet->n; i++) {
		const char *view = fleet->clients[i].view;
		size_t n = strlen(view);

		if (!strncmp(path + sizeof start - 1, view, n) &&
		    path[sizeof start - 1 + n] == '>')
			return &fleet->clients[i];
	}
	return NULL;
}

int targets_conf_text_own(const struct clients *clients,
			  const struct shard *shard, char **ret_text)
{
	struct last_applied written;
	int r = targets_conf_load(shard, ret_text, &written);

	for (size_t i = 0; i < written.blocks.n; i++) {
		const struct pair *block = &written.blocks.v[i];
		const struct client *client =
			fleet_client_by_iqn(clients->fleet, block->key);

		/* By its present name, or by the view of an earlier one. */
		if (!client)
			client = client_of_store(clients->fleet, block->value);
		if (client && clients_state(clients, client)->shard != shard)
			replace_block(ret_text, block->key, NULL);
	}
	last_applied_fini(&written);
	return r;
}

int targets_conf_write(const struct shard *shard, const char *text)
{
	struct arena arena = { 0 };
	int r = 0;

	/* Shard 0's tgtd is started by tgt's own unit. */
	if (shard->number)
		r = shard_file_write(shard, ".env",
				     shard_environment(&arena, shard), 0644);
	arena_fini(&arena);
	if (r >= 0)
		r = shard_file_write(shard, "", text, 0600);
	if (r > 0)
		print_line(stdout, "%s: written", shard->targets_file);
	return r;
}

int targets_conf_remove(const struct shard *shard)
{
	/* The targets-file is the last: it marks the shard. */
	static const char *const endings[] = { ".env",          ".applied",
					       ".applied.full", ".sessions",
					       ".opened",       "" };
	struct arena arena = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof endings / sizeof *endings;
	     i++) {
		const char *path = arena_printf(
			&arena, "%s%s", shard->targets_file, endings[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			r = fail_errno(-errno, "%s", path);
	}
	arena_fini(&arena);
	return r;
}
