/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deaths of the mount's workers, and refused logins, in watch. */
#include "config.h"

#include "tgt-glue/command/watch-noticed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/json.h"
#include "base/worker-deaths.h"
#include "tgt-glue/command/watch-events.h"
#include "tgt-glue/command/watch-internal.h"
#include "tgt-glue/tgtd/refusals.h"

enum {
	/* Of one client the same refusal is logged once in so many seconds:
	 * initiators try again and again. */
	SAME_SECONDS = 60,
	/* Refusals of a minute that are logged: anyone who reaches tgtd can
	 * cause them. */
	MINUTE_MAX = 60,
};

static void save(struct watch *w)
{
	if (noticed_save(&w->noticed, &w->fleet) < 0)
		messages_print(&w->messages, "%s", error_text());
}

void watch_noticed_load(struct watch *w)
{
	if (noticed_load(&w->fleet, &w->noticed) < 0)
		messages_print(&w->messages, "%s", error_text());
}

static void log_death(struct watch *w, const struct worker_death *death)
{
	const struct event_log log = watch_log(w);
	const int sig = death->signal;
	const struct event event = {
		"worker-death", NULL, LOG_ERR,
		json_pack("{s:o, s:o, s:I}", "mount", json_text(w->fleet.mount),
			  "signal", sig ? json_integer(sig) : json_null(),
			  "when", (json_int_t)death->time)
	};

	if (sig)
		event_write(
			&log, &event,
			"%s: a worker process was killed by signal %d (%s), and another one continues",
			w->fleet.mount, sig, strsignal(sig));
	else
		event_write(
			&log, &event,
			"%s: a worker process died, and another one continues",
			w->fleet.mount);
}

/* Returns whether there was one. */
static bool check_deaths(struct watch *w)
{
	char state[64];
	ssize_t n;
	struct noticed *noticed = &w->noticed;
	struct worker_deaths deaths;
	uint32_t before = noticed->deaths;

	if (!worker_deaths_read(w->fleet.mount, &deaths))
		return false;
	n = getxattr(w->fleet.mount, "user.vhdfs.state", state,
		     sizeof state - 1);
	if (n <= 0)
		return false;
	state[n] = '\0';
	/* Another mount counts from 0; one with saved state does, too. */
	if (!text_equal(noticed->mount, state) || deaths.count < before)
		before = 0;
	for (uint32_t i = before; i < deaths.count; i++) {
		const struct worker_death *death =
			worker_deaths_get(&deaths, i);

		if (death)
			log_death(w, death);
	}
	if (text_equal(noticed->mount, state) &&
	    noticed->deaths == deaths.count)
		return false;
	noticed->mount = arena_strdup(&noticed->arena, state);
	noticed->deaths = deaths.count;
	return true;
}

/* Takes the client of a login of that initiator from a line of the event log.
 * False: it is another client than *client. */
static bool take_login(struct arena *arena, const char *line,
		       const char *initiator, const char **client)
{
	json_t *event = NULL;
	const char *name;
	bool same = true;

	/* Most lines need no parser. */
	if (strstr(line, initiator) && strstr(line, "\"login\""))
		event = event_parse(line);
	name = event ? event_client(event) : NULL;
	if (name &&
	    text_equal("login",
		       json_string_value(json_object_get(event, "event"))) &&
	    text_equal(initiator, json_string_value(json_object_get(
					  event, "initiator")))) {
		same = !*client || !strcmp(*client, name);
		*client = arena_strdup(arena, name);
	}
	json_decref(event);
	return same;
}

static bool take_logins(struct arena *arena, const char *file,
			const char *initiator, const char **client)
{
	_cleanup_fclose_ FILE *f = fopen(file, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	bool same = true;

	while (f && same && getline(&line, &size, f) > 0)
		same = take_login(arena, line, initiator, client);
	return same;
}

/* The only client that an initiator of that name was logged in to, as the event
 * log says; null: none, or several. */
static const char *logged_in_as(const struct watch *w, struct arena *arena,
				const char *initiator)
{
	const char *file = w->fleet.log_file, *client = NULL;

	return take_logins(arena, arena_printf(arena, "%s.1", file), initiator,
			   &client) &&
			       take_logins(arena, file, initiator, &client)
		       ? client
		       : NULL;
}

static const char *client_of(const struct watch *w, struct arena *arena,
			     const char *initiator)
{
	const struct client *client = NULL;
	const char *name;

	if (!initiator)
		return NULL;
	client = fleet_client_by_initiator(&w->fleet, initiator);
	if (client)
		return client->name;
	name = logged_in_as(w, arena, initiator);
	return name && fleet_client(&w->fleet, name) ? name : NULL;
}

/* Whether it is to be logged: not too many are, nor the same again. */
static bool is_news(struct watch *w, const struct refusal *refusal)
{
	const struct refusal *last =
		noticed_refusal(&w->noticed, refusal->client);
	const int64_t clock = sessions_clock();

	if (last && text_equal(last->initiator, refusal->initiator) &&
	    text_equal(last->reason, refusal->reason) &&
	    refusal->when >= last->when &&
	    refusal->when < last->when + SAME_SECONDS)
		return false;
	if (clock >= w->refusals_since + 60) {
		w->refusals_since = clock;
		w->n_refusals = 0;
	}
	if (w->n_refusals == MINUTE_MAX)
		messages_print(
			&w->messages,
			"warning: more than %d refused logins in a minute: the others are not logged; see the journal of tgtd",
			MINUTE_MAX);
	return w->n_refusals < MINUTE_MAX && ++w->n_refusals;
}

static void log_refusal(struct watch *w, const struct refusal *refusal)
{
	const struct event_log log = watch_log(w);
	const struct event event = {
		"refused", refusal->client, LOG_WARNING,
		json_pack("{s:o, s:s, s:I}", "initiator",
			  refusal->initiator ? json_text(refusal->initiator)
					     : json_null(),
			  "reason", refusal->reason, "when",
			  (json_int_t)refusal->when)
	};

	event_write(&log, &event, "a login was refused%s%s: %s",
		    refusal->initiator ? " of " : "",
		    refusal->initiator ? refusal->initiator : "",
		    refusal->reason);
}

/* An entry of the journal. */
static void take_entry(void *arg, const struct journal_entry *entry)
{
	struct watch *w = arg;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *text = entry->message;
	struct login_refusal found;

	while (login_refusal_next(&text, &arena, &found)) {
		const struct refusal refusal = {
			client_of(w, &arena, found.initiator), entry->time,
			found.initiator, found.reason
		};

		if (!is_news(w, &refusal))
			continue;
		log_refusal(w, &refusal);
		noticed_set_refusal(&w->noticed, &refusal);
		w->noticed_changed = true;
	}
	free(w->noticed.cursor);
	w->noticed.cursor = strdup(entry->cursor);
}

void watch_check_noticed(struct watch *w)
{
	if (w->mount_logged && check_deaths(w))
		w->noticed_changed = true;
	journal_check(&w->journal, w->noticed.cursor, sessions_clock(),
		      &w->messages, take_entry, w);
	if (w->noticed_changed)
		save(w);
	w->noticed_changed = false;
}

void watch_noticed_fini(struct watch *w)
{
	if (w->loaded)
		save(w);
	journal_fini(&w->journal);
	noticed_fini(&w->noticed);
}
