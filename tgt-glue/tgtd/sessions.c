/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sessions with the time of their begin. */
#include "config.h"

#include "tgt-glue/tgtd/sessions.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "tgt-glue/base/textfile.h"

#define FILE_ENDING ".sessions"

/*
 * Seconds to wait for a client's next session: tgtd does not tell a logout
 * from a broken connection, and after a restart of tgtd all clients log in
 * again.
 */
enum { GRACE = 3, GRACE_AFTER_TGTD = 60 };

int64_t sessions_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec;
}

/* Adds a copy. */
static void add(struct sessions *s, struct session new)
{
	new.iqn = arena_strdup(&s->arena, new.iqn);
	new.initiator = arena_strdup(&s->arena, new.initiator);
	new.address = arena_strdup(&s->arena, new.address);
	s->v = arena_grow(&s->arena, s->v, s->n, sizeof *s->v);
	s->v[s->n++] = new;
}

static void add_end(struct sessions *s, const char *iqn, int64_t shown,
		    int64_t when, int64_t patience)
{
	s->ends = arena_grow(&s->arena, s->ends, s->n_ends, sizeof *s->ends);
	s->ends[s->n_ends++] =
		(struct session_end){ arena_strdup(&s->arena, iqn), shown, when,
				      patience };
}

static void parse_line(struct sessions *s, const char *line)
{
	char iqn[256], initiator[256], address[128];
	int64_t when, patience;
	uint64_t sid;

	if (sscanf(line, "# of tgtd %255s", iqn) == 1) {
		s->instance = arena_strdup(&s->arena, iqn);
	} else if (sscanf(line, "# ended %255s %" SCNd64 " %" SCNd64, iqn,
			  &when, &patience) == 3) {
		/* The saved time may be of a wrong clock. */
		add_end(s, iqn, when, sessions_clock(), patience);
	} else if (*line != '#' &&
		   sscanf(line, "%255s %255s %127s %" SCNu64 " %" SCNd64, iqn,
			  initiator, address, &sid, &when) == 5) {
		add(s, (struct session){ iqn, initiator, address, sid, when });
	}
}

int sessions_load(const struct shard *shard, struct sessions *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = shard_file_read(shard, FILE_ENDING, &text);
	char *rest = text;

	memset(ret, 0, sizeof *ret);
	for (char *line; (line = strsep(&rest, "\n"));)
		parse_line(ret, line);
	return r;
}

int sessions_save(const struct shard *shard, const struct sessions *sessions)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = text_open(&text, &size);
	int r;

	if (sessions->instance)
		fprintf(f, "# of tgtd %s\n", sessions->instance);
	for (size_t i = 0; i < sessions->n_ends; i++)
		fprintf(f, "# ended %s %" PRId64 " %" PRId64 "\n",
			sessions->ends[i].iqn, sessions->ends[i].shown,
			sessions->ends[i].patience);
	for (size_t i = 0; i < sessions->n; i++) {
		const struct session *s = &sessions->v[i];

		fprintf(f, "%s %s %s %" PRIu64 " %" PRId64 "\n", s->iqn,
			s->initiator, s->address, s->sid, s->since);
	}
	text_close(f);
	r = shard_file_write(shard, FILE_ENDING, text, 0600);
	return r < 0 ? r : 0;
}

void sessions_fini(struct sessions *sessions)
{
	arena_fini(&sessions->arena);
	memset(sessions, 0, sizeof *sessions);
}

const struct session *sessions_find(const struct sessions *sessions,
				    const char *iqn,
				    const struct tgtd_connection *connection)
{
	for (size_t i = 0; i < sessions->n; i++) {
		const struct session *s = &sessions->v[i];

		if (s->sid == connection->sid && !strcmp(s->iqn, iqn) &&
		    !strcmp(s->initiator, connection->initiator))
			return s;
	}
	return NULL;
}

/* tgtd's name or address of a new session may be empty for a moment. */
static const char *word(const char *text)
{
	return *text ? text : "-";
}

static void add_sessions(struct sessions *next, const struct sessions *old,
			 const struct tgtd_target *target, int64_t now)
{
	for (size_t i = 0; i < target->n_connections; i++) {
		const struct tgtd_connection *c = &target->connections[i];
		const struct session *before =
			old ? sessions_find(old, target->name, c) : NULL;

		/* Another connection of a session that is in the list. */
		if (sessions_find(next, target->name, c))
			continue;
		add(next, (struct session){
				  .iqn = target->name,
				  .initiator = word(c->initiator),
				  .address = word(c->address),
				  .sid = c->sid,
				  .since = before ? before->since : now,
			  });
	}
}

bool sessions_have(const struct sessions *sessions, const char *iqn)
{
	for (size_t i = 0; i < sessions->n; i++)
		if (!strcmp(sessions->v[i].iqn, iqn))
			return true;
	return false;
}

bool sessions_have_end(const struct sessions *s, const char *iqn)
{
	for (size_t i = 0; i < s->n_ends; i++)
		if (!strcmp(s->ends[i].iqn, iqn))
			return true;
	return false;
}

void sessions_update(struct sessions *sessions, const struct fleet *fleet,
		     const struct tgtd_state *live, const char *instance,
		     int64_t now)
{
	bool same =
		!sessions->instance || !strcmp(sessions->instance, instance);
	const int64_t steady = sessions_clock();
	struct sessions next = { 0 };

	next.instance = arena_strdup(&next.arena, instance);
	for (size_t i = 0; i < live->n; i++)
		if (fleet_client_name(fleet, live->targets[i].name))
			add_sessions(&next, same ? sessions : NULL,
				     &live->targets[i], now);
	for (size_t i = 0; i < sessions->n_ends; i++) {
		const struct session_end *end = &sessions->ends[i];

		if (!sessions_have(&next, end->iqn))
			add_end(&next, end->iqn, end->shown,
				same ? end->when : steady,
				same ? end->patience : GRACE_AFTER_TGTD);
	}
	for (size_t i = 0; i < sessions->n; i++) {
		const char *iqn = sessions->v[i].iqn;

		if (!sessions_have(&next, iqn) &&
		    !sessions_have_end(&next, iqn))
			add_end(&next, iqn, now, steady,
				same ? GRACE : GRACE_AFTER_TGTD);
	}
	sessions_fini(sessions);
	*sessions = next;
}

void sessions_note_end(struct sessions *sessions, const char *iqn, int64_t now)
{
	add_end(sessions, iqn, now, sessions_clock(), GRACE);
}

void sessions_forget_end(struct sessions *sessions, const char *iqn)
{
	for (size_t i = 0; i < sessions->n_ends; i++)
		if (!strcmp(sessions->ends[i].iqn, iqn)) {
			sessions->ends[i] = sessions->ends[--sessions->n_ends];
			return;
		}
}
