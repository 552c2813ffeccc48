/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/status.h"
#include "tgt-glue/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/error.h"
#include "chain/family.h"
#include "tgt-glue/command.h"
#include "tgt-glue/plan.h"
#include "tgt-glue/values.h"

static void read_space(struct status *s)
{
	struct statvfs st;

	if (statvfs(s->fleet.store, &st) < 0)
		return;
	s->free = (uint64_t)st.f_bavail * st.f_frsize;
	s->size = (uint64_t)st.f_blocks * st.f_frsize;
	if (s->fleet.min_free)
		s->min_free = value_read_min_free(s->fleet.min_free, s->size);
}

static void read_tgtd(struct status *s)
{
	struct pool *pool = &s->fleet.conf.pool;
	int r = tgtd_open(s->fleet.control_port, &s->tgtd);

	if (r == 0)
		r = live_read(&s->tgtd, &s->live);
	/* Where it cannot be told it is not known, and no failure. */
	if (r == 0)
		(void)files_look(&s->fleet, &s->tgtd, &s->live);
	if (r == 0)
		r = applied_load(&s->fleet, &s->tgtd, &s->applied);
	if (r == 0)
		r = traffic_read(&s->tgtd, pool, &s->traffics);
	if (r < 0)
		s->tgtd_error = pool_strdup(pool, error_text());
}

static void read_sessions(struct status *s, struct row *row)
{
	const struct live_target *t = row->target;
	struct timespec started = { 0 };

	if (!t)
		return;
	/* What was written down of an earlier tgtd's sessions is of others. */
	if (tgtd_started(&s->tgtd, &started) < 0)
		started.tv_sec = s->now;
	row->n_sessions = t->n_connections;
	row->sessions =
		pool_alloc(&s->fleet.conf.pool,
			   (t->n_connections + 1) * sizeof *row->sessions);
	for (size_t i = 0; i < t->n_connections; i++) {
		struct login *session = &row->sessions[i];
		const struct session *known;

		session->who = &t->connections[i];
		known = sessions_find(&s->known, t->name, session->who);
		if (known && known->since >= started.tv_sec &&
		    known->since <= s->now)
			session->since = known->since;
		session->traffic =
			traffic_of(&s->traffics, t->tid, session->who->sid);
	}
}

static void read_client(struct status *s, struct row *row)
{
	const struct client *client = row->client;
	_cleanup_close_ int fd =
		place_openat(&s->fleet.place, client->child, O_PATH);
	enum work_kind kind;
	struct stat st;

	row->child = children_look(&s->fleet, client, &row->child_why);
	if (fd >= 0 && fstat(fd, &st) == 0)
		row->disk_use = (uint64_t)st.st_blocks * 512;
	row->share = share_of(&s->fleet, client);
	row->target = live_target(&s->live, client->iqn);
	if (row->target)
		row->difference =
			plan_difference(&s->fleet.conf.pool, &s->fleet, client,
					row->target, &s->applied, &kind);
	read_sessions(s, row);
}

static void read_rows(struct status *s)
{
	struct pool *pool = &s->fleet.conf.pool;

	s->rows = pool_alloc(pool,
			     (s->fleet.n + s->live.n + 1) * sizeof *s->rows);
	for (; s->n < s->fleet.n; s->n++) {
		s->rows[s->n].client = &s->fleet.clients[s->n];
		s->rows[s->n].name = s->fleet.clients[s->n].name;
		read_client(s, &s->rows[s->n]);
	}
	for (size_t i = 0; i < s->live.n; i++) {
		const struct live_target *t = &s->live.targets[i];
		const char *name = plan_client_name(&s->fleet, t->name);

		if (!name || fleet_client_by_iqn(&s->fleet, t->name))
			continue;
		s->rows[s->n].name = name;
		s->rows[s->n].target = t;
		read_sessions(s, &s->rows[s->n++]);
	}
}

const char *status_target_word(const struct status *s, const struct row *row)
{
	if (s->tgtd_error)
		return "unknown";
	if (!row->client)
		return "extra";
	if (!row->target)
		return "missing";
	return row->difference ? "differs" : "ok";
}

bool status_row_agrees(const struct status *s, const struct row *row)
{
	return !s->tgtd_error && row->client && row->target &&
	       !row->difference && row->child == CHILD_READY;
}

bool status_agrees(const struct status *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!status_row_agrees(s, &s->rows[i]))
			return false;
	return !s->tgtd_error;
}

struct traffic status_traffic(const struct row *row)
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
	if (s->free < s->min_free)
		fprintf(stderr,
			"tgt-glue: warning: %s: %s free, expected at least %s\n",
			s->fleet.store, status_size(s->free),
			status_size(s->min_free));
	if (s->tgtd_error)
		fprintf(stderr, "tgt-glue: %s\n", s->tgtd_error);
}

/* A text for Prometheus is whole without tgtd too: it says so in it. */
static int show(const struct command_line *line, const struct status *s)
{
	if (line->prometheus)
		status_print_prometheus(s);
	else if (line->json)
		status_print_json(s);
	else
		status_print_table(s);
	fflush(stdout);
	warn(s);
	return s->tgtd_error && !line->prometheus ? EXIT_FAILED : EXIT_DONE;
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
	r = command_load(line, &s.fleet);
	if (r == 0) {
		children_sector_sizes(&s.fleet);
		read_tgtd(&s);
		read_space(&s);
		/* Without it nothing is known, which is no failure. */
		(void)sessions_load(&s.fleet, &s.known);
		read_rows(&s);
		code = show(line, &s);
	}
	sessions_fini(&s.known);
	applied_fini(&s.applied);
	live_fini(&s.live);
	fleet_fini(&s.fleet);
	return code;
}
