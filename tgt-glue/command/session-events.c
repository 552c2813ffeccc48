/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of sessions: compares the sessions of two checks. */
#include "config.h"

#include "tgt-glue/command/session-events.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "tgt-glue/reconcile/space.h"

/* One check. */
struct checking {
	struct session_events *events;
	const struct event_log *log;
	const struct fleet *fleet;
	int64_t clock, now;
};

static const char *client_name(const struct fleet *fleet, const char *iqn)
{
	const struct client *client = fleet_client_by_iqn(fleet, iqn);
	const char *label = fleet_client_name(fleet, iqn);

	if (client)
		return client->name;
	return label ? label : iqn;
}

static json_t *number_or_null(bool known, uint64_t number)
{
	return known ? json_integer((json_int_t)number) : json_null();
}

static void log_login(const struct checking *c, struct seen_session *s)
{
	const struct event event = { "login", client_name(c->fleet, s->iqn),
				     LOG_INFO,
				     json_pack("{s:o, s:o, s:I}", "initiator",
					       json_text(s->initiator),
					       "address", json_text(s->address),
					       "session", (json_int_t)s->sid) };

	s->logged = true;
	event_write(c->log, &event, "logged in from %s as %s", s->address,
		    s->initiator);
}

/* "2h13m", as format_arg. */
static const char *duration_text(int64_t n)
{
	if (n < 60)
		return format_arg("%" PRId64 "s", n);
	if (n < 3600)
		return format_arg("%" PRId64 "m%02" PRId64 "s", n / 60, n % 60);
	return format_arg("%" PRId64 "h%02" PRId64 "m", n / 3600, n / 60 % 60);
}

/* Seconds; -1: unknown. */
static int64_t duration(const struct checking *c, const struct seen_session *s)
{
	if (s->watched)
		return s->seen - s->login;
	return s->since && s->since <= c->now ? c->now - s->since : -1;
}

static const char *logout_text(struct arena *arena, const struct checking *c,
			       const struct seen_session *s)
{
	const int64_t seconds = duration(c, s);
	const char *text = seconds < 0
				   ? "logged out"
				   : arena_printf(arena, "logged out after %s",
						  duration_text(seconds));

	if (s->counted)
		text = arena_printf(arena, "%s; read %s, wrote %s", text,
				    size_text(s->traffic.read_bytes),
				    size_text(s->traffic.written_bytes));
	if (s->idle >= 0)
		text = arena_printf(arena, "%s; first idle after %s", text,
				    duration_text(s->idle));
	return text;
}

static void log_logout(const struct checking *c, const struct seen_session *s)
{
	struct arena arena = { 0 };
	const int64_t seconds = duration(c, s);
	const struct traffic *t = &s->traffic;
	const struct event event = {
		"logout", client_name(c->fleet, s->iqn), LOG_INFO,
		json_pack("{s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o}",
			  "initiator", json_text(s->initiator), "address",
			  json_text(s->address), "session", (json_int_t)s->sid,
			  "seconds",
			  number_or_null(seconds >= 0, (uint64_t)seconds),
			  "idle-seconds",
			  number_or_null(s->idle >= 0, (uint64_t)s->idle),
			  "read-bytes",
			  number_or_null(s->counted, t->read_bytes),
			  "written-bytes",
			  number_or_null(s->counted, t->written_bytes),
			  "errors", number_or_null(s->counted, t->errors))
	};

	event_write(c->log, &event, "%s", logout_text(&arena, c, s));
	arena_fini(&arena);
}

/* The session of the last check, or null.  Sessions keep their order for the
 * most part: the search begins at *hint. */
static struct seen_session *find(const struct session_events *events,
				 const char *iqn, uint64_t sid, size_t *hint)
{
	for (size_t i = 0; i < events->n; i++) {
		struct seen_session *s = &events->v[(*hint + i) % events->n];

		if (s->sid == sid && !strcmp(s->iqn, iqn)) {
			*hint += i + 1;
			return s;
		}
	}
	return NULL;
}

static struct seen_session *add(struct session_events *events, const char *iqn,
				uint64_t sid)
{
	struct seen_session *s;

	events->v = arena_grow(&events->arena, events->v, events->n,
			       sizeof *events->v);
	s = &events->v[events->n++];
	*s = (struct seen_session){ .iqn = arena_strdup(&events->arena, iqn),
				    .initiator = "",
				    .address = "",
				    .sid = sid,
				    .idle = -1 };
	return s;
}

static bool has_moved(const struct traffic *a, const struct traffic *b)
{
	return a->read_commands != b->read_commands ||
	       a->write_commands != b->write_commands || a->errors != b->errors;
}

static void count(const struct checking *c, struct seen_session *s,
		  const struct traffic *traffic)
{
	if (traffic && (!s->counted || has_moved(traffic, &s->traffic))) {
		s->traffic = *traffic;
		s->counted = true;
		s->moved = c->clock;
	}
	if (s->watched && s->counted && s->idle < 0 &&
	    c->clock >= s->moved + IDLE_SECONDS)
		s->idle = s->moved - s->login;
}

/* Notes a session of tgtd. */
static void note(const struct checking *c, const struct tgtd_target *target,
		 const struct tgtd_connection *connection,
		 const struct traffics *traffics, size_t *hint)
{
	struct arena *arena = &c->events->arena;
	struct seen_session *s =
		find(c->events, target->name, connection->sid, hint);
	const bool is_new = !s;

	if (is_new) {
		s = add(c->events, target->name, connection->sid);
		s->login = s->moved = c->clock;
		s->watched = true;
	}
	if (!*s->initiator && *connection->initiator)
		s->initiator = arena_strdup(arena, connection->initiator);
	if (!*s->address && *connection->address)
		s->address = arena_strdup(arena, connection->address);
	s->present = true;
	s->seen = c->clock;
	count(c, s, traffic_of(traffics, target->tid, connection->sid));
	if (!s->logged && (!is_new || (*s->initiator && *s->address)))
		log_login(c, s);
}

static struct seen_session copy(struct arena *arena, struct seen_session s)
{
	s.iqn = arena_strdup(arena, s.iqn);
	s.initiator = arena_strdup(arena, s.initiator);
	s.address = arena_strdup(arena, s.address);
	return s;
}

/* Logs the ends of the sessions that are not present, and forgets them. */
static void end_sessions(const struct checking *c)
{
	struct session_events *events = c->events;
	struct session_events next = { 0 };
	bool ended = false;

	for (size_t i = 0; i < events->n; i++) {
		struct seen_session *s = &events->v[i];

		if (s->present)
			continue;
		ended = true;
		if (!s->logged)
			log_login(c, s);
		log_logout(c, s);
	}
	/* A copy frees the strings of those that ended. */
	for (size_t i = 0; ended && i < events->n; i++) {
		if (!events->v[i].present)
			continue;
		next.v =
			arena_grow(&next.arena, next.v, next.n, sizeof *next.v);
		next.v[next.n++] = copy(&next.arena, events->v[i]);
	}
	if (!ended)
		return;
	if (events->instance)
		next.instance = arena_strdup(&next.arena, events->instance);
	session_events_fini(events);
	*events = next;
}

static void mark_absent(struct session_events *events)
{
	for (size_t i = 0; i < events->n; i++)
		events->v[i].present = false;
}

/* The sessions of another instance of tgtd have ended with it: the ids begin
 * again. */
static void check_instance(const struct checking *c, const char *instance)
{
	struct session_events *events = c->events;

	if (text_equal(events->instance, instance))
		return;
	mark_absent(events);
	end_sessions(c);
	events->instance = arena_strdup(&events->arena, instance);
}

void session_events_continue(struct session_events *events,
			     const struct sessions *sessions)
{
	if (sessions->instance)
		events->instance =
			arena_strdup(&events->arena, sessions->instance);
	for (size_t i = 0; i < sessions->n; i++) {
		const struct session *known = &sessions->v[i];
		struct seen_session *s = add(events, known->iqn, known->sid);

		s->initiator = arena_strdup(&events->arena, known->initiator);
		s->address = arena_strdup(&events->arena, known->address);
		s->since = known->since;
		s->logged = true;
	}
}

void session_events_check(struct session_events *events,
			  const struct event_log *log,
			  const struct fleet *fleet,
			  const struct tgtd_state *live,
			  const struct sessions *sessions,
			  const struct traffics *traffics, int64_t clock,
			  int64_t now)
{
	const struct checking c = { events, log, fleet, clock, now };
	size_t hint = 0;

	check_instance(&c, sessions->instance);
	mark_absent(events);
	for (size_t i = 0; i < live->n; i++) {
		const struct tgtd_target *target = &live->targets[i];

		if (!fleet_client_name(fleet, target->name))
			continue;
		for (size_t k = 0; k < target->n_connections; k++)
			note(&c, target, &target->connections[k], traffics,
			     &hint);
	}
	end_sessions(&c);
}

void session_events_fini(struct session_events *events)
{
	arena_fini(&events->arena);
	memset(events, 0, sizeof *events);
}
