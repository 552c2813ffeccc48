/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/command/status.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"
#include "base/printable.h"
#include "chain/parent-cache.h"
#include "io/rootdir.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/reconcile/plan.h"
#include "tgt-glue/config/resolve.h"
#include "tgt-glue/config/values.h"

static void read_shard(struct status *s, struct shard_status *seen)
{
	struct arena *arena = &s->fleet.conf.arena;
	int r = tgtd_open(seen->shard->control_port, &seen->tgtd);

	seen->off = r == -ECONNREFUSED || r == -ENOENT;
	if (r == 0)
		r = tgtd_state_read(&seen->tgtd, &seen->live);
	if (r == 0)
		r = last_applied_load(seen->shard, &seen->tgtd, &seen->last);
	if (r == 0)
		r = opened_load(seen->shard, seen->last.instance,
				&seen->opened);
	/* Where it cannot be told it is not known, and no failure. */
	if (r == 0)
		(void)exports_look(&s->fleet, &seen->tgtd, &seen->last,
				   &seen->live);
	if (r == 0)
		opened_judge(&seen->opened, &seen->live);
	if (r == 0)
		r = traffic_read(&seen->tgtd, arena, &seen->traffics);
	/* Without it nothing is known, which is no failure. */
	(void)sessions_load(seen->shard, &seen->known);
	if (r < 0 && seen->shard->number)
		error_advise("it is the %s", seen->shard->tgtd);
	if (seen->off)
		error_advise("`%s\' starts it", shard_start(seen->shard));
	if (r < 0)
		seen->tgtd_error = arena_strdup(arena, error_text());
}

/* Which clients' disks something else exports for writing. */
static void read_blocked(struct status *s)
{
	const size_t n = s->fleet.n_shards;
	struct exporter *list =
		arena_alloc(&s->fleet.conf.arena, n * sizeof *list);

	for (size_t i = 0; i < n; i++)
		list[i] = (struct exporter){
			.shard = s->seen[i].shard,
			.tgtd = s->seen[i].tgtd_error ? NULL : &s->seen[i].tgtd,
			.off = s->seen[i].off,
			.live = &s->seen[i].live,
		};
	exports_block(&s->fleet, list, n, NULL);
}

bool status_shard_counts(const struct shard_status *seen)
{
	return !seen->shard->retired || !seen->tgtd_error;
}

static void read_shards(struct status *s)
{
	const struct fleet *fleet = &s->fleet;

	s->seen = arena_alloc(&s->fleet.conf.arena,
			      fleet->n_shards * sizeof *s->seen);
	for (size_t i = 0; i < fleet->n_shards; i++) {
		struct shard_status *seen = &s->seen[i];

		seen->shard = &fleet->shards[i];
		read_shard(s, seen);
		if (!s->tgtd_error && status_shard_counts(seen))
			s->tgtd_error = seen->tgtd_error;
	}
	read_blocked(s);
}

/* How many sessions can write; one may have several connections. */
static size_t count_writers(const struct status_row *row)
{
	size_t n = 0;

	if (row->target->lun.readonly)
		return 0;
	for (size_t i = 0; i < row->n_sessions; i++) {
		size_t k = 0;

		while (row->sessions[k].who->sid != row->sessions[i].who->sid)
			k++;
		n += k == i;
	}
	return n;
}

static void read_sessions(struct status *s, struct status_row *row)
{
	const struct tgtd_target *t = row->target;
	struct timespec started = { 0 };

	if (!t)
		return;
	/* What was written down of an earlier tgtd's sessions is of others. */
	if (tgtd_started(&row->seen->tgtd, &started) < 0)
		started.tv_sec = s->now;
	row->n_sessions = t->n_connections;
	row->sessions =
		arena_alloc(&s->fleet.conf.arena,
			    (t->n_connections + 1) * sizeof *row->sessions);
	for (size_t i = 0; i < t->n_connections; i++) {
		struct status_login *session = &row->sessions[i];
		const struct session *known;

		session->who = &t->connections[i];
		known = sessions_find(&row->seen->known, t->name, session->who);
		if (known && known->since >= started.tv_sec &&
		    known->since <= s->now)
			session->since = known->since;
		session->traffic = traffic_of(&row->seen->traffics, t->tid,
					      session->who->sid);
	}
	row->n_writers = count_writers(row);
}

/* Its target, on the shard that it is to be on or else on another one. */
static void find_target(struct status *s, struct status_row *row)
{
	const struct client *client = row->client;

	row->seen = &s->seen[client->home - s->fleet.shards];
	row->target = tgtd_state_target(&row->seen->live, client->iqn);
	for (size_t i = 0; !row->target && i < s->fleet.n_shards; i++) {
		row->target = tgtd_state_target(&s->seen[i].live, client->iqn);
		if (row->target)
			row->seen = &s->seen[i];
	}
}

static const char *difference(struct status *s, const struct status_row *row)
{
	struct arena *arena = &s->fleet.conf.arena;
	enum work_kind kind;

	if (row->seen->shard != row->client->home)
		return arena_printf(arena, "shard: expected %u, found %u",
				    row->client->home->number,
				    row->seen->shard->number);
	return plan_difference(arena, &s->fleet, row->client, row->target,
			       &row->seen->last, &kind);
}

static void read_client(struct status *s, struct status_row *row)
{
	const struct client *client = row->client;
	_cleanup_close_ int fd =
		root_dir_openat(&s->fleet.rootdir, client->child, O_PATH);
	struct stat st;

	row->child = client_images_inspect(&s->fleet, client, &row->child_why);
	if (fd >= 0 && fstat(fd, &st) == 0)
		row->disk_use = (uint64_t)st.st_blocks * 512;
	row->share = divergence_of(&s->fleet, client);
	find_target(s, row);
	if (row->target)
		row->difference = difference(s, row);
	row->restart =
		opened_to_restart(&row->seen->opened, client->iqn, row->target);
	if (client->blocked)
		row->difference = client->blocked;
	read_sessions(s, row);
}

/* What the target exports of the fleet, for writing if anything; or null. */
static const struct tgtd_backing *exported(const struct tgtd_target *t)
{
	const struct tgtd_backing *found = NULL;

	for (size_t i = 0; i < t->n_stores; i++)
		if (t->stores[i].client && (!found || found->readonly))
			found = &t->stores[i];
	return found;
}

static const char *explain_export(struct status *s,
				  const struct status_row *row)
{
	const struct tgtd_backing *store = exported(row->target);

	if (!store)
		return NULL;
	return arena_printf(&s->fleet.conf.arena,
			    "%s exports client %s's disk %s %s",
			    row->target->name, store->client->name, store->path,
			    store->readonly ? "read-only" : "for writing");
}

/* Targets that are no client's: ours, and those that export a client's disk. */
static void read_extra(struct status *s, const struct shard_status *seen)
{
	for (size_t i = 0; i < seen->live.n; i++) {
		const struct tgtd_target *t = &seen->live.targets[i];
		struct status_row *row = &s->rows[s->n];

		if (fleet_client_by_iqn(&s->fleet, t->name) ||
		    (!t->ours && !exported(t)))
			continue;
		row->name = t->ours ? exports_name(t) : t->name;
		row->seen = seen;
		row->target = t;
		row->foreign = t->ours ? NULL : exported(t);
		row->difference = explain_export(s, row);
		read_sessions(s, row);
		s->n++;
	}
}

static void read_rows(struct status *s)
{
	size_t n = s->fleet.n;

	for (size_t i = 0; i < s->fleet.n_shards; i++)
		n += s->seen[i].live.n;
	s->rows = arena_alloc(&s->fleet.conf.arena, (n + 1) * sizeof *s->rows);
	for (; s->n < s->fleet.n; s->n++) {
		s->rows[s->n].client = &s->fleet.clients[s->n];
		s->rows[s->n].name = s->fleet.clients[s->n].name;
		read_client(s, &s->rows[s->n]);
	}
	for (size_t i = 0; i < s->fleet.n_shards; i++)
		read_extra(s, &s->seen[i]);
}

size_t status_shard_clients(const struct status *s,
			    const struct shard_status *seen,
			    size_t *ret_sessions)
{
	size_t n = 0;

	*ret_sessions = 0;
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].seen == seen && !s->rows[i].foreign) {
			n++;
			*ret_sessions += s->rows[i].n_sessions;
		}
	return n;
}

const char *status_target_word(const struct status_row *row)
{
	if (row->seen->tgtd_error)
		return "unknown";
	if (!row->client)
		return row->foreign ? "foreign" : "extra";
	if (!row->target)
		return "missing";
	return row->difference ? "differs" : "ok";
}

bool status_row_agrees(const struct status_row *row)
{
	/* What only reads is none of ours. */
	if (row->foreign && row->foreign->readonly)
		return true;
	return !row->seen->tgtd_error && row->client && row->target &&
	       !row->difference && row->child == CHILD_READY;
}

bool status_agrees(const struct status *s)
{
	if (s->mistaken)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (!status_row_agrees(&s->rows[i]))
			return false;
	return !s->tgtd_error;
}

struct traffic status_traffic(const struct status_row *row)
{
	struct traffic sum = { 0 };

	for (size_t i = 0; i < row->n_sessions; i++) {
		const struct traffic *t = row->sessions[i].traffic;

		if (!t)
			continue;
		sum.read_bytes += t->read_bytes;
		sum.read_commands += t->read_commands;
		sum.written_bytes += t->written_bytes;
		sum.write_commands += t->write_commands;
		sum.errors += t->errors;
	}
	return sum;
}

const char *status_size(uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	static char ring[8][16];
	static unsigned next;
	char *text = ring[next++ % 8];
	double n = (double)bytes;
	int unit = 0;

	/* Not 1000.0K, which is as long again. */
	for (; n >= 999.5; unit++)
		n /= 1024;
	snprintf(text, sizeof ring[0], unit && n < 99.95 ? "%.1f%c" : "%.0f%c",
		 n, units[unit]);
	return text;
}

static void warn(const struct status *s)
{
	if (free_space_is_low(&s->space))
		print_line(
			stderr,
			"tgt-glue: warning: %s: %s free, expected at least %s; remove what is not needed, such as images put aside (`rm %s/clients/.NAME.vhdx.DATE')",
			s->fleet.store, status_size(s->space.free),
			status_size(s->space.min_free),
			shell_word(s->fleet.store));
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].n_writers > 1)
			print_line(
				stderr,
				"tgt-glue: warning: %s: %zu sessions can write to its disk, and damage each other's file system; expected one: log the others out, and give each machine an address or a secret of its own",
				s->rows[i].name, s->rows[i].n_writers);
	for (size_t i = 0; i < s->fleet.n_shards; i++)
		if (s->seen[i].tgtd_error && status_shard_counts(&s->seen[i]))
			print_line(stderr, "tgt-glue: %s",
				   s->seen[i].tgtd_error);
}

/* A text for Prometheus is whole without tgtd too: it says so in it. */
static int show(const struct command_line *line, const struct status *s)
{
	if (line->json && status_print_json(s) < 0)
		return command_failed();
	if (line->prometheus)
		status_print_prometheus(s);
	else if (!line->json)
		status_print_table(s);
	fflush(stdout);
	warn(s);
	return s->tgtd_error && !line->prometheus ? EXIT_FAILED : EXIT_DONE;
}

/* With mistakes in fleet.conf, which have been said, the last good one. */
static int load(const struct command_line *line, struct status *s)
{
	struct fleet bad;
	int r = command_load(line, &s->fleet);

	if (r == 0)
		return 0;
	bad = s->fleet;
	r = fleet_load_good(&bad, true, &s->fleet);
	s->mistaken = r == 0;
	if (r == 0)
		print_line(
			stderr,
			"tgt-glue: %s: mend it and run `tgt-glue check\'; what follows is the fleet that was applied last",
			line->config);
	fleet_fini(&bad);
	return r;
}

int command_status(const struct command_line *line)
{
	struct status s = { .now = time(NULL) };
	int r, code = EXIT_FAILED;

	if (line->json && line->prometheus) {
		fputs("tgt-glue: expected --json or --prometheus, found both; see `tgt-glue --help'\n",
		      stderr);
		return EXIT_USAGE;
	}
	r = load(line, &s);
	if (r == 0) {
		client_images_sector_sizes(&s.fleet);
		read_shards(&s);
		free_space_read(&s.fleet, &s.space);
		read_rows(&s);
		code = show(line, &s);
	}
	for (size_t i = 0; s.seen && i < s.fleet.n_shards; i++) {
		sessions_fini(&s.seen[i].known);
		opened_fini(&s.seen[i].opened);
		last_applied_fini(&s.seen[i].last);
		tgtd_state_fini(&s.seen[i].live);
	}
	fleet_fini(&s.fleet);
	return code;
}
