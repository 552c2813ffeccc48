/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events of sessions: logins, and logouts with what the session has read and
 * written.
 *
 * tgtd reports neither, so watch compares the sessions each second.  tgtd's
 * counters end with their session: a logout has the last ones that watch saw.
 *
 * IDLE.  The time from the login to the first idle moment is how long a machine
 * takes to start: until the first read or write after which the session has
 * none for IDLE_SECONDS.
 */
#ifndef TGT_GLUE_COMMAND_SESSION_EVENTS_H
#define TGT_GLUE_COMMAND_SESSION_EVENTS_H

#include "tgt-glue/base/events.h"
#include "tgt-glue/tgtd/sessions.h"
#include "tgt-glue/tgtd/traffic.h"

enum { IDLE_SECONDS = 5 };

/* A session as it was at the last check.  Times are of sessions_clock. */
struct seen_session {
	const char *iqn;
	const char *initiator; /* tgtd's may be empty for a moment */
	const char *address;
	uint64_t sid;
	int64_t since; /* of struct session; 0: unknown */
	bool logged;   /* the login is in the log */
	bool watched;  /* from its login on */
	bool present;  /* in this check */
	int64_t login; /* its first check */
	int64_t seen;  /* its last check */
	int64_t moved; /* the last check in which the counters had changed */
	int64_t idle;  /* seconds from login to idle; -1: not yet */
	bool counted;  /* traffic is known */
	struct traffic traffic;
};

/* The sessions of one tgtd.  All zeros: none. */
struct session_events {
	struct arena arena;
	struct seen_session *v;
	size_t n;
	const char *instance; /* of tgtd; null: unknown */
};

/* Takes over sessions whose logins were logged by an earlier watch. */
void session_events_continue(struct session_events *events,
			     const struct sessions *sessions);
/*
 * Compares the sessions with those of the last check, and logs each difference.
 * sessions: of this check (sessions_update); clock: of sessions_clock; now:
 * Unix seconds.
 */
void session_events_check(struct session_events *events,
			  const struct event_log *log,
			  const struct fleet *fleet,
			  const struct tgtd_state *live,
			  const struct sessions *sessions,
			  const struct traffics *traffics, int64_t clock,
			  int64_t now);
void session_events_fini(struct session_events *events);

#endif
