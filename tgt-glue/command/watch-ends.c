/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ends of sessions in watch, and what they cause. */
#include "config.h"

#include "tgt-glue/command/watch-ends.h"

#include <string.h>
#include <time.h>

#include "tgt-glue/command/watch-events.h"
#include "tgt-glue/command/watch-internal.h"
#include "tgt-glue/reconcile/pass.h"

static const struct client *reset_client(const struct watch *w,
					 const struct session_end *end)
{
	const struct client *client = fleet_client_by_iqn(&w->fleet, end->iqn);

	return client && client_resets_at_boot(client) ? client : NULL;
}

/* Whether the client's time to log in again is over. */
static bool is_due(const struct session_end *end)
{
	return sessions_clock() >= end->when + end->patience;
}

void watch_list_resets(struct watch *w, struct arena *arena,
		       struct strings *ret)
{
	for (size_t s = 0; s < SHARDS_MAX; s++)
		for (size_t i = 0; i < w->shards[s].sessions.n_ends; i++) {
			const struct session_end *end =
				&w->shards[s].sessions.ends[i];
			const struct client *client = reset_client(w, end);

			if (client && is_due(end))
				strings_add(arena, ret, client->name);
		}
}

void watch_list_recent(struct watch *w, struct arena *arena,
		       struct strings *ret)
{
	for (size_t s = 0; s < SHARDS_MAX; s++)
		for (size_t i = 0; i < w->shards[s].sessions.n_ends; i++) {
			const struct session_end *end =
				&w->shards[s].sessions.ends[i];

			if (!is_due(end))
				strings_add_once(arena, ret, end->iqn);
		}
}

/* Forgets the end of the client's session, on every shard. */
static void forget_end(struct watch *w, const char *iqn)
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		sessions_forget_end(&w->shards[i].sessions, iqn);
}

void watch_forget_resets(struct watch *w, const struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *work = &pass->plan.works[i];

		if (work->reset && work->outcome == OUTCOME_DONE)
			forget_end(w, work->client->iqn);
	}
}

/* Whether the target has a session (sessions_have), or is noted as ended
 * (sessions_have_end), on any shard. */
static bool any_shard(const struct watch *w, const char *iqn,
		      bool (*has)(const struct sessions *, const char *))
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		if (has(&w->shards[i].sessions, iqn))
			return true;
	return false;
}

static void check_ends(struct watch *w, struct sessions *sessions)
{
	for (size_t i = sessions->n_ends; i-- > 0;) {
		const struct session_end *end = &sessions->ends[i];

		if ((is_due(end) && !reset_client(w, end)) ||
		    any_shard(w, end->iqn, sessions_have))
			sessions_forget_end(sessions, end->iqn);
		else if (is_due(end) && !w->retry_at)
			w->pass_wanted = true;
	}
}

/* Adds the ends of sessions that were shorter than the time between two
 * checks. */
static void check_unseen_sessions(struct watch *w)
{
	for (size_t i = 0; i < w->fleet.n_disks; i++) {
		const struct disk *disk = &w->fleet.disks[i];
		const struct client *c = disk->client;

		if (disk->reset_boot &&
		    unseen_sessions_check(&w->unseen, &w->fleet, disk) &&
		    !any_shard(w, c->iqn, sessions_have) &&
		    !any_shard(w, c->iqn, sessions_have_end)) {
			sessions_note_end(&w->shards[c->home->number].sessions,
					  c->iqn, (int64_t)time(NULL));
			watch_event_unseen(w, c);
		}
	}
}

/* Wants a pass for followers that have logged out, and had the time to log in
 * again. */
static void check_followers(struct watch *w)
{
	for (size_t i = 0; i < w->followers.n && !w->retry_at; i++)
		if (!any_shard(w, w->followers.v[i], sessions_have) &&
		    !any_shard(w, w->followers.v[i], sessions_have_end))
			w->pass_wanted = true;
}

void watch_check_ends(struct watch *w)
{
	check_unseen_sessions(w);
	for (size_t i = 0; i < SHARDS_MAX; i++)
		check_ends(w, &w->shards[i].sessions);
	check_followers(w);
}
