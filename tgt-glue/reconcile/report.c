/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a shard's pass did, skipped and failed to do: lines for the
 * administrator. */
#include "config.h"

#include "tgt-glue/reconcile/report.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/reconcile/exports.h"

/* A failure, or a skipped work, of a client. */
void report(const struct shard_pass *pass, const char *client, const char *what,
	    const char *why)
{
	messages_print(pass->all->messages, "%s: %s%s", client, what, why);
}

/* The last error. */
void report_error(const struct shard_pass *pass)
{
	messages_print(pass->all->messages, "%s", error_text());
}

void report_restarts(const struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->opened.restart.n; i++)
		report(pass, strrchr(pass->opened.restart.v[i], ':') + 1,
		       "restart it: its session was ended, because writes that were answered may be lost",
		       "");
}

void report_reset(const struct shard_pass *pass, const struct client *client,
		  const struct image_reset *reset)
{
	if (reset->old)
		print_line(stdout, "%s: image: %s is fresh; the old one is %s",
			   client->name, client->child,
			   reset->removed ? "removed (keep = 0)" : reset->old);
	for (size_t i = 0; i < reset->notes.n; i++)
		report(pass, client->name, "image: ", reset->notes.v[i]);
}

static void report_reopens(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n_reopens; i++) {
		const struct reopen *o = &pass->plan.reopens[i];

		if (o->failed) {
			pass->all->failed = pass->all->waiting = true;
			report(pass, exports_name(o->live),
			       "disk: ", o->failed);
		} else {
			print_line(stdout,
				   "%s: disk: given its file again (%s)",
				   exports_name(o->live), o->why);
		}
	}
}

void report_works(struct shard_pass *pass)
{
	static const char *const done[] = {
		[WORK_ACCESS] = "changed its access rules",
		[WORK_ACCOUNTS] = "changed its users",
		[WORK_REMAKE] = "made again",
		[WORK_NEW] = "made",
		[WORK_REMOVE] = "removed",
		[WORK_NONE] = "skipped",
	};

	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];

		report_reset(pass, w->client, &w->image_reset);
		switch (w->outcome) {
		case OUTCOME_FAILED:
			pass->all->failed = true;
			report(pass, w->name, "target: ", w->reason);
			break;
		case OUTCOME_NOT_RESET:
			pass->all->skipped = true;
			report(pass, w->name, "image: skipped: ", w->reason);
			break;
		case OUTCOME_SKIPPED:
			pass->all->skipped = pass->all->waiting = true;
			report(pass, w->name, "skipped: ", w->reason);
			break;
		case OUTCOME_DONE:
			print_line(stdout, "%s: target: %s (%s)", w->name,
				   done[w->kind], w->why);
			break;
		}
	}
	report_reopens(pass);
}
