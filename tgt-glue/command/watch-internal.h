/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data of the command watch, for watch.c and its parts. */
#ifndef TGT_GLUE_COMMAND_WATCH_INTERNAL_H
#define TGT_GLUE_COMMAND_WATCH_INTERNAL_H

#include "tgt-glue/base/journal.h"
#include "tgt-glue/base/messages.h"
#include "tgt-glue/command/free-space.h"
#include "tgt-glue/command/inotify.h"
#include "tgt-glue/command/noticed.h"
#include "tgt-glue/command/samples.h"
#include "tgt-glue/command/session-events.h"
#include "tgt-glue/command/unseen-sessions.h"
#include "tgt-glue/command/warnings.h"
#include "tgt-glue/command/watch-lock.h"
#include "tgt-glue/tgtd/sessions.h"

struct store;

/* The tgtd of a shard. */
struct watched_tgtd {
	struct sessions sessions;
	bool in_service;
	struct tgtd tgtd; /* that is in service, or was */
	int64_t appeared; /* when it first answered; 0: in service, or none */
	struct session_events events;
	bool down; /* that it does not answer is in the event log */
};

struct watch {
	const char *config;
	struct fleet fleet;   /* the last good one */
	struct store *images; /* the catalog of its store; null: not open */
	bool loaded;
	struct messages messages;
	struct inotify inotify;
	struct watched_tgtd shards[SHARDS_MAX]; /* by number */

	bool pass_wanted;
	bool refused;       /* fleet.conf would remove many targets */
	bool skipped;       /* the last pass skipped a target, or failed */
	int64_t retry_at;   /* when to make a pass in any case; 0: never */
	dev_t mount_dev;    /* of the mount at the last pass; 0: none */
	dev_t mount_logged; /* the same, of the last check ... */
	bool mount_checked; /* ... and whether there was one */
	/* IQNs whose clients must be restarted, as of the last pass. */
	struct strings restart;
	/* IQNs of clients that go over to another version when they log out. */
	struct strings followers;
	struct arena pass_arena; /* of these lists */
	struct free_space_watch space;
	struct unseen_sessions unseen;
	struct samples samples;
	struct warnings warnings;
	struct noticed noticed;
	bool noticed_changed; /* it is to be saved */
	struct journal journal;
	struct watch_lock lock; /* shows that this watch runs */
	int64_t refusals_since; /* of n_refusals: sessions_clock */
	unsigned n_refusals;    /* that were logged in this minute */
};

#endif
