/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Since when who is logged in, which tgtd does not tell: watch keeps it in a
 * file beside the targets-file, TARGETS-FILE.sessions, mode 0600.  A line a
 * session, five words:
 *
 *     IQN INITIATOR ADDRESS SESSION-ID UNIX-TIME
 *
 * IQN is the target's, the time that at which watch saw the session first.
 * Lines that begin with # are watch's own: of which run of tgtd the numbers
 * are, and whose sessions have ended and are to be followed by a reset, when
 * they ended, and how many seconds they have to come back:
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

/* A target that has no session any more. */
struct session_end {
	const char *iqn;
	int64_t shown;    /* when, Unix seconds: for the reader of the file */
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

/* Seconds, of a clock that is never set and has no meaning but to compare. */
int64_t sessions_clock(void);

/*
 * Where there is no file there are no sessions.  Ends are as if they had come
 * just now: the file may be of another start of the machine, or of a clock that
 * was set.  sessions_fini in any case.
 */
int sessions_load(const struct shard *shard, struct sessions *ret);
/* Writes the file where it is another. */
int sessions_save(const struct shard *shard, const struct sessions *sessions);
void sessions_fini(struct sessions *sessions);

/* The session of that connection of the target's, or null. */
const struct session *sessions_find(const struct sessions *sessions,
				    const char *iqn,
				    const struct tgtd_connection *connection);

/*
 * Brings them to what tgtd, which is that instance, has now, in Unix seconds,
 * which are shown and decide nothing.  A target
 * of ours that lost its last session is noted as ended, until it has one again
 * or sessions_forget_end.
 */
void sessions_update(struct sessions *sessions, const struct fleet *fleet,
		     const struct tgtd_state *live, const char *instance,
		     int64_t now);
/* Is somebody logged in to the target? */
bool sessions_have(const struct sessions *sessions, const char *iqn);
/* Has it lost its last session, and is that noted? */
bool sessions_have_end(const struct sessions *sessions, const char *iqn);
/* Notes that one has ended just now; now as for sessions_update. */
void sessions_note_end(struct sessions *sessions, const char *iqn, int64_t now);
void sessions_forget_end(struct sessions *sessions, const char *iqn);

#endif
