/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command log: prints the events of the fleet. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/base/events.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/config/resolve.h"

struct printing {
	const struct command_line *line;
	const struct fleet *fleet;
	int64_t since;
	bool *found; /* of each operand: it has an event */
	size_t n_skipped;
};

/* Whether the event is of a client that was asked for. */
static bool is_wanted(const struct printing *p, const json_t *event)
{
	const char *client = event_client(event);
	char **names = p->line->clients;
	bool wanted = !*names;

	for (size_t i = 0; client && names[i]; i++)
		if (select_matches(p->fleet, names[i], client))
			wanted = p->found[i] = true;
	return wanted && event_time(event) >= p->since;
}

static void print_event(const struct printing *p, const json_t *event,
			const char *json)
{
	const time_t when = (time_t)event_time(event);
	const char *client = event_client(event);
	char text[32] = "?";
	struct tm tm;

	if (p->line->json) {
		print_json_text(stdout, json);
		putchar('\n');
		return;
	}
	if (localtime_r(&when, &tm))
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	if (client)
		print_line(stdout, "%s  %s: %s", text, client,
			   event_message(event));
	else
		print_line(stdout, "%s  %s", text, event_message(event));
}

/* Takes a line of the file, without its line break. */
static void take(struct printing *p, const char *line)
{
	json_t *event = event_parse(line);

	if (!event && *line)
		p->n_skipped++;
	else if (event && is_wanted(p, event))
		print_event(p, event, line);
	json_decref(event);
}

/* Prints the events of a file; of none where it does not exist. */
static int print_file(struct printing *p, const char *file)
{
	_cleanup_fclose_ FILE *f = fopen(file, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		return errno == ENOENT ? 0 : fail_errno(-errno, "%s", file);
	while ((n = getline(&line, &size, f)) >= 0) {
		/* A text with a NUL byte is none of an event. */
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) + 1 < (size_t)n)
			p->n_skipped++;
		else
			take(p, line);
	}
	return ferror(f) ? fail_errno(-errno, "%s", file) : 0;
}

static bool selects_any(const struct fleet *fleet, const char *word)
{
	for (size_t i = 0; i < fleet->n; i++)
		if (select_matches(fleet, word, fleet->clients[i].name))
			return true;
	return false;
}

/* Names each operand that selects nothing in the log and in fleet.conf. */
static bool check_clients(const struct printing *p)
{
	const struct fleet *fleet = p->fleet;
	char **names = p->line->clients;
	bool known = true;

	for (size_t i = 0; names[i]; i++) {
		if (p->found[i] || selects_any(fleet, names[i]))
			continue;
		print_line(
			stderr,
			"tgt-glue: log: expected a client of %s or of %s, found '%s'",
			p->line->config, fleet->log_file, names[i]);
		known = false;
	}
	return known;
}

static int print_all(struct printing *p, struct arena *arena)
{
	const struct fleet *fleet = p->fleet;
	int r = print_file(p, arena_printf(arena, "%s.1", fleet->log_file));

	if (r == 0)
		r = print_file(p, fleet->log_file);
	if (r < 0)
		return command_failed();
	fflush(stdout);
	if (p->n_skipped)
		print_line(stderr, "tgt-glue: %s: %zu line%s skipped: no event",
			   fleet->log_file, p->n_skipped,
			   p->n_skipped == 1 ? "" : "s");
	return check_clients(p) ? CLI_DONE : CLI_FAILED;
}

int command_log(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct printing p = { .line = line,
			      .fleet = &fleet,
			      .since = INT64_MIN };
	size_t n = 0;

	if (line->since &&
	    !event_read_time(line->since, (int64_t)time(NULL), &p.since)) {
		print_line(
			stderr,
			"tgt-glue: --since: expected a time as 2026-01-31, '2026-01-31 12:00', 2h or 3d, found '%s'; see `tgt-glue log --help'",
			line->since);
		return CLI_USAGE;
	}
	/* Mistakes elsewhere in fleet.conf do not matter. */
	if (fleet_load(line->config, NULL, &fleet) < 0 && !fleet.log_file)
		return command_failed_load(&fleet);
	while (line->clients[n])
		n++;
	p.found = arena_alloc(&arena, n + 1);
	return print_all(&p, &arena);
}
