/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/command.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/error.h"
#include "chain/family.h"
#include "tgt-glue/applied.h"
#include "tgt-glue/children.h"
#include "tgt-glue/live.h"
#include "tgt-glue/plan.h"
#include "tgt-glue/values.h"

struct status {
	struct fleet fleet;
	struct tgtd tgtd;
	struct live live;
	struct applied applied;
	const char *tgtd_error; /* null: it answered */
	uint64_t free;
	uint64_t min_free; /* 0: no warning */
};

/* One client's. */
struct row {
	const struct client *client;
	const struct live_target *target; /* or null */
	const char *difference;           /* or null: it is right */
	enum child_state child;
	const char *child_why; /* of CHILD_OTHER */
	uint64_t disk_use;     /* of its image */
};

static void read_space(struct status *s)
{
	struct statvfs st;

	if (statvfs(s->fleet.store, &st) < 0)
		return;
	s->free = (uint64_t)st.f_bavail * st.f_frsize;
	if (s->fleet.min_free)
		s->min_free = value_read_min_free(
			s->fleet.min_free, (uint64_t)st.f_blocks * st.f_frsize);
}

static void read_status(struct status *s)
{
	int r = tgtd_open(s->fleet.control_port, &s->tgtd);

	if (r == 0)
		r = live_read(&s->tgtd, &s->live);
	if (r == 0)
		r = applied_load(&s->fleet, &s->tgtd, &s->applied);
	if (r < 0)
		s->tgtd_error = pool_strdup(&s->fleet.conf.pool, error_text());
	read_space(s);
}

static struct row read_row(struct status *s, const struct client *client)
{
	struct row row = { .client = client };
	_cleanup_close_ int fd =
		place_openat(&s->fleet.place, client->child, O_PATH);
	enum work_kind kind;
	struct stat st;

	row.child = children_look(&s->fleet, client, &row.child_why);
	if (fd >= 0 && fstat(fd, &st) == 0)
		row.disk_use = (uint64_t)st.st_blocks * 512;
	row.target = live_target(&s->live, client->iqn);
	if (row.target)
		row.difference =
			plan_difference(&s->fleet.conf.pool, &s->fleet, client,
					row.target, &s->applied, &kind);
	return row;
}

static const char *target_word(const struct status *s, const struct row *row)
{
	if (s->tgtd_error)
		return "unknown";
	if (!row->target)
		return "missing";
	return row->difference ? "differs" : "ok";
}

/* "1.2 GiB", in one of four buffers used in turn. */
static const char *human(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	static char ring[4][32];
	static unsigned next;
	char *text = ring[next++ % 4];
	double n = (double)bytes;
	int unit = 0;

	for (; n >= 1024 && unit < 4; unit++)
		n /= 1024;
	snprintf(text, sizeof ring[0], unit ? "%.1f %s" : "%.0f %s", n,
		 units[unit]);
	return text;
}

static void print_row(const struct status *s, const struct row *row)
{
	const struct live_target *t = row->target;
	const char *who =
		t && t->n_connections ? t->connections[0].address : "-";

	printf("%-16s %-8s %10s  %-15s%s  %s\n", row->client->name,
	       target_word(s, row),
	       row->child == CHILD_MISSING ? "none" : human(row->disk_use), who,
	       t && t->n_connections > 1 ? "+" : "", row->client->master);
	if (row->child == CHILD_OTHER)
		printf("  %s\n", row->child_why);
	if (row->difference)
		printf("  %s\n", row->difference);
}

static void print_table(struct status *s)
{
	uint64_t use = 0;

	printf("%-16s %-8s %10s  %-15s  %s\n", "CLIENT", "TARGET", "DISK",
	       "LOGGED IN", "MASTER");
	for (size_t i = 0; i < s->fleet.n; i++) {
		struct row row = read_row(s, &s->fleet.clients[i]);

		print_row(s, &row);
		use += row.disk_use;
	}
	for (size_t i = 0; i < s->live.n; i++) {
		const struct live_target *t = &s->live.targets[i];
		const char *name = plan_client_name(&s->fleet, t->name);

		if (name && !fleet_client_by_iqn(&s->fleet, t->name))
			printf("%-16s %-8s not in fleet.conf\n", name, "extra");
	}
	printf("%zu client%s use%s %s; %s free in the store\n", s->fleet.n,
	       s->fleet.n == 1 ? "" : "s", s->fleet.n == 1 ? "s" : "",
	       human(use), human(s->free));
}

static json_t *sessions_json(const struct live_target *target)
{
	json_t *list = json_array();

	for (size_t i = 0; target && i < target->n_connections; i++)
		json_array_append_new(
			list,
			json_pack("{s:s, s:s}", "initiator",
				  target->connections[i].initiator, "address",
				  target->connections[i].address));
	return list;
}

static json_t *row_json(const struct status *s, const struct row *row)
{
	static const char *const children[] = { [CHILD_READY] = "ready",
						[CHILD_MISSING] = "missing",
						[CHILD_OTHER] = "other" };
	const struct client *c = row->client;

	return json_pack(
		"{s:s, s:s, s:I, s:s, s:s?, s:b, s:s, s:s, s:s, s:s?, s:s, s:I, s:o}",
		"name", c->name, "iqn", c->iqn, "tid", (json_int_t)c->tid,
		"target", target_word(s, row), "difference", row->difference,
		"agrees",
		!s->tgtd_error && row->target && !row->difference &&
			row->child == CHILD_READY,
		"master", c->master, "child", c->child, "child-state",
		children[row->child], "child-why", row->child_why, "view",
		c->view, "disk-use", (json_int_t)row->disk_use, "sessions",
		sessions_json(row->target));
}

static void print_json(struct status *s)
{
	json_t *clients = json_array(), *extra = json_array(), *all;

	for (size_t i = 0; i < s->fleet.n; i++) {
		struct row row = read_row(s, &s->fleet.clients[i]);

		json_array_append_new(clients, row_json(s, &row));
	}
	for (size_t i = 0; i < s->live.n; i++) {
		const char *iqn = s->live.targets[i].name;

		if (plan_client_name(&s->fleet, iqn) &&
		    !fleet_client_by_iqn(&s->fleet, iqn))
			json_array_append_new(extra, json_string(iqn));
	}
	all = json_pack("{s:s, s:s, s:b, s:I, s:I, s:o, s:o}", "store",
			s->fleet.store, "mount", s->fleet.mount, "tgtd",
			s->tgtd_error == NULL, "free", (json_int_t)s->free,
			"min-free", (json_int_t)s->min_free, "clients", clients,
			"extra", extra);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

int command_status(const struct command_line *line)
{
	struct status s = { 0 };
	int r = command_load(line, &s.fleet);

	if (r == 0) {
		children_sector_sizes(&s.fleet);
		read_status(&s);
		if (line->json)
			print_json(&s);
		else
			print_table(&s);
		fflush(stdout);
		if (s.free < s.min_free)
			fprintf(stderr,
				"tgt-glue: warning: %s: %s free, expected at least %s\n",
				s.fleet.store, human(s.free),
				human(s.min_free));
		if (s.tgtd_error)
			fprintf(stderr, "tgt-glue: %s\n", s.tgtd_error);
		r = s.tgtd_error ? -1 : 0;
	}
	applied_fini(&s.applied);
	live_fini(&s.live);
	fleet_fini(&s.fleet);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
