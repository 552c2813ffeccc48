/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events that watch notices, and the state that it compares. */
#include "config.h"

#include "tgt-glue/command/watch-events.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

struct event_log watch_log(struct watch *w)
{
	return (struct event_log){ w->fleet.log_file, &w->messages };
}

void watch_events_load(struct watch *w)
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		session_events_continue(&w->shards[i].events,
					&w->shards[i].sessions);
}

static bool any_session(const struct tgtd_state *live)
{
	for (size_t i = 0; i < live->n; i++)
		if (live->targets[i].n_connections)
			return true;
	return false;
}

void watch_events_sessions(struct watch *w, struct watched_tgtd *shard,
			   const struct tgtd *tgtd,
			   const struct tgtd_state *live)
{
	const struct event_log log = watch_log(w);
	struct traffics traffics = { 0 };
	struct arena arena = { 0 };

	/* A failure means that the counters of this check are unknown. */
	if (any_session(live) && traffic_read(tgtd, &arena, &traffics) < 0)
		traffics = (struct traffics){ 0 };
	session_events_check(&shard->events, &log, &w->fleet, live,
			     &shard->sessions, &traffics, sessions_clock(),
			     (int64_t)time(NULL));
	arena_fini(&arena);
}

void watch_event_tgtd(struct watch *w, struct watched_tgtd *shard,
		      const struct tgtd *tgtd)
{
	const struct event_log log = watch_log(w);
	const int number = (int)(shard - w->shards);
	const struct event event = { tgtd ? "tgtd-up" : "tgtd-down", NULL,
				     tgtd ? LOG_NOTICE : LOG_WARNING,
				     json_pack("{s:i}", "shard", number) };

	/* This watch was started, and not the tgtd. */
	if (tgtd && !shard->down &&
	    text_equal(tgtd->instance, shard->events.instance)) {
		json_decref(event.fields);
		return;
	}
	shard->down = !tgtd;
	event_write(&log, &event, "the tgtd of shard %d %s", number,
		    tgtd ? "is in service" : "does not answer");
}

void watch_event_mount(struct watch *w, dev_t dev)
{
	const struct event_log log = watch_log(w);
	const struct event event = { dev ? "mount-up" : "mount-down", NULL,
				     dev ? LOG_NOTICE : LOG_WARNING, NULL };
	const bool is_first = !w->mount_checked;

	w->mount_checked = true;
	if (dev == w->mount_logged)
		return;
	w->mount_logged = dev;
	if (!is_first)
		event_write(&log, &event, "%s: %s", w->fleet.mount,
			    dev ? "the store was mounted"
				: "nothing is mounted");
}

void watch_event_unseen(struct watch *w, const struct client *client)
{
	const struct event_log log = watch_log(w);
	const struct event event = { "unseen-session", client->name, LOG_INFO,
				     NULL };

	event_write(&log, &event,
		    "its image was written in a session of less than a second");
}

void watch_warn_of_resets(struct watch *w, const struct pairs *not_reset)
{
	for (size_t i = 0; i < not_reset->n; i++)
		warnings_add(&w->warnings, &w->fleet, "reset-failed",
			     not_reset->v[i].key, not_reset->v[i].value);
}

void watch_check_space(struct watch *w)
{
	const struct event_log log = watch_log(w);
	const bool was_low = w->space.low;
	struct free_space space;
	char value[24];

	free_space_check(&w->space, &w->fleet, &log);
	if (w->space.low && !was_low) {
		free_space_read(&w->fleet, &space);
		snprintf(value, sizeof value, "%" PRIu64, space.free);
		warnings_add(&w->warnings, &w->fleet, "low-space",
			     w->fleet.store, value);
	}
	warnings_check(&w->warnings, &w->fleet, &log);
}

void watch_events_fini(struct watch *w)
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		session_events_fini(&w->shards[i].events);
	warnings_fini(&w->warnings);
}
