/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events that watch notices: of sessions, of tgtds, and of the mount. */
#ifndef TGT_GLUE_COMMAND_WATCH_EVENTS_H
#define TGT_GLUE_COMMAND_WATCH_EVENTS_H

#include "tgt-glue/command/watch-internal.h"

/* The event log of the fleet in force. */
struct event_log watch_log(struct watch *w);
/* Takes over the sessions that an earlier watch has saved. */
void watch_events_load(struct watch *w);
/* Logs the logins and logouts since the last check.  live: the present state of
 * the tgtd, which sessions_update has taken over. */
void watch_events_sessions(struct watch *w, struct watched_tgtd *shard,
			   const struct tgtd *tgtd,
			   const struct tgtd_state *live);
/* Logs that a tgtd was started or does not answer (tgtd null). */
void watch_event_tgtd(struct watch *w, struct watched_tgtd *shard,
		      const struct tgtd *tgtd);
/* Logs that the mount appeared, disappeared or was replaced.  dev: its device;
 * 0: none. */
void watch_event_mount(struct watch *w, dev_t dev);
/* Logs that the client's image was written outside a session that was seen. */
void watch_event_unseen(struct watch *w, const struct client *client);
/* Warns of resets that failed in a pass. */
void watch_warn_of_resets(struct watch *w, const struct pairs *not_reset);
/* Checks the free space and the quotas, and runs commands of the administrator
 * that are due. */
void watch_check_space(struct watch *w);
void watch_events_fini(struct watch *w);

#endif
