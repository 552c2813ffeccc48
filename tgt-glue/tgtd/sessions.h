/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions with the time of their begin, which tgtd does not tell.
 *
 * watch keeps them in a file beside the targets-file, TARGETS-FILE.sessions,
 * mode 0600.  One line for each session, five words:
 *
 *     IQN INITIATOR ADDRESS SESSION-ID UNIX-TIME
 *
 * IQN is the target's; the time is when watch saw the session first.  Lines
 * that begin with # are for watch alone: the instance of tgtd that the session
 * ids belong to; and the targets that lost their last session, for the reset
 * that follows, with the time of the end and the seconds to wait for a new
 * session:
 *
 *     # of tgtd INSTANCE
 *     # ended IQN UNIX-TIME SECONDS
 */
#ifndef TGT_GLUE_TGTD_SESSIONS_H
#define TGT_GLUE_TGTD_SESSIONS_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/tgtd/state.h"

struct session {
	const char *iqn;
	const char *initiator;
	const char *address;
	uint64_t sid;
	int64_t since;
};

/* A target that lost its last session. */
struct session_end {
	const char *iqn;
	int64_t shown;    /* Unix seconds: for the reader of the file */
	int64_t when;     /* of sessions_clock */
	int64_t patience; /* seconds */
};

struct sessions {
	struct arena arena;
	struct session *v;
	size_t n;
	struct session_end *ends;
	size_t n_ends;
	const char *instance; /* of tgtd, or null */
};

/* Seconds of a clock that is never set (CLOCK_BOOTTIME), for differences. */
int64_t sessions_clock(void);

/*
 * Reads the file; without a file there are no sessions.  Ends are dated now:
 * the file may be from before a reboot, or a clock was set.  Call
 * sessions_fini in any case.
 */
int sessions_load(const struct shard *shard, struct sessions *ret);
/* Writes the file if its text changed. */
int sessions_save(const struct shard *shard, const struct sessions *sessions);
void sessions_fini(struct sessions *sessions);

/* The session of that connection of the target, or null. */
const struct session *sessions_find(const struct sessions *sessions,
				    const char *iqn,
				    const struct tgtd_connection *connection);

/*
 * Takes over the sessions of tgtd's present state.  instance is tgtd's; now is
 * the time in Unix seconds, for display only.  A target of ours that lost its
 * last session is noted as ended, until it has one again or
 * sessions_forget_end is called.
 */
void sessions_update(struct sessions *sessions, const struct fleet *fleet,
		     const struct tgtd_state *live, const char *instance,
		     int64_t now);
/* True if the target has a session. */
bool sessions_have(const struct sessions *sessions, const char *iqn);
/* True if the target is noted as ended. */
bool sessions_have_end(const struct sessions *sessions, const char *iqn);
/* Notes the target as ended; now as for sessions_update. */
void sessions_note_end(struct sessions *sessions, const char *iqn, int64_t now);
void sessions_forget_end(struct sessions *sessions, const char *iqn);

#endif
