/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a shard's pass did, skipped and failed to do: lines for the
 * administrator. */
#include "config.h"

#include "tgt-glue/reconcile/report.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "tgt-glue/base/events.h"
#include "tgt-glue/reconcile/exports.h"

/* The last error. */
void report_error(const struct shard_pass *pass)
{
	messages_print(pass->all->messages, "%s", error_text());
}

static void report_not_reset(const struct shard_pass *pass, const char *client,
			     const char *why)
{
	const struct event_log log = { pass->fleet->log_file,
				       pass->all->messages };
	const struct event event = { "reset-failed", client, LOG_WARNING,
				     json_pack("{s:o?}", "why",
					       json_text(why)) };

	event_write(&log, &event, "its image was not reset: %s", why);
	pairs_set(&pass->all->arena, &pass->all->not_reset, client, why);
}

void report_restarts(const struct shard_pass *pass)
{
	static const char why[] =
		"restart it: its session was ended, because writes that were answered may be lost";
	const struct event_log log = { pass->fleet->log_file,
				       pass->all->messages };

	for (size_t i = 0; i < pass->opened.restart.n; i++) {
		const char *client =
			strrchr(pass->opened.restart.v[i], ':') + 1;
		const struct event event = { "restart", client, LOG_WARNING,
					     NULL };

		if (messages_print(pass->all->messages, "%s: %s", client, why))
			event_write(&log, &event, "%s", why);
	}
}

static void report_reopens(const struct shard_pass *pass)
{
	struct reconcile *all = pass->all;

	for (size_t i = 0; i < pass->plan.n_reopens; i++) {
		const struct reopen *o = &pass->plan.reopens[i];

		if (o->failed) {
			all->failed = all->waiting = true;
			messages_print(all->messages, "%s: %s: %s",
				       exports_name(o->live), o->title,
				       o->failed);
		} else {
			print_line(stdout, "%s: %s: given its file again (%s)",
				   exports_name(o->live), o->title, o->why);
		}
	}
}

void report_not_replaced(const struct shard_pass *pass, const char *client,
			 const char *why, bool failed)
{
	struct reconcile *all = pass->all;

	if (failed)
		all->failed = true;
	else
		all->skipped = true;
	if (messages_print(all->messages, "%s: image: %s%s", client,
			   failed ? "" : "skipped: ", why) &&
	    !clients_get_other_disks(&all->clients))
		report_not_reset(pass, client, why);
}

/* Of a work that is not done: it may be a reset. */
static void note_reset(const struct shard_pass *pass, const struct work *w)
{
	if (w->reset && !clients_get_other_disks(&pass->all->clients))
		report_not_reset(pass, w->name, w->reason);
}

static const char *what_failed(const struct clients *clients,
			       const struct work *work)
{
	if (!work->reset || !clients_get_other_disks(clients))
		return "target";
	return clients->from ? "rename" : "restore";
}

void report_works(const struct shard_pass *pass)
{
	static const char *const done[] = {
		[WORK_DISKS] = "added its disks",
		[WORK_ACCESS] = "changed its access rules",
		[WORK_ACCOUNTS] = "changed its users",
		[WORK_REMAKE] = "made again",
		[WORK_NEW] = "made",
		[WORK_REMOVE] = "removed",
		[WORK_NONE] = "skipped",
	};
	struct reconcile *all = pass->all;

	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];

		switch (w->outcome) {
		case OUTCOME_PLANNED:
			break; /* never, after execute_plan */
		case OUTCOME_FAILED:
			all->failed = true;
			if (messages_print(all->messages, "%s: %s: %s", w->name,
					   what_failed(&all->clients, w),
					   w->reason))
				note_reset(pass, w);
			break;
		case OUTCOME_NOT_RESET:
			report_not_replaced(
				pass, w->name, w->reason,
				clients_get_other_disks(&all->clients));
			break;
		case OUTCOME_SKIPPED:
			all->skipped = all->waiting = true;
			if (messages_print(all->messages, "%s: skipped: %s",
					   w->name, w->reason))
				note_reset(pass, w);
			break;
		case OUTCOME_DONE:
			print_line(stdout, "%s: target: %s (%s)", w->name,
				   done[w->kind], w->why);
			break;
		}
	}
	report_reopens(pass);
}
