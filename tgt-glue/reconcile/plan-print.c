/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plan of a pass as text. */
#include "config.h"

#include "base/printable.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/reconcile/plan.h"

void plan_print(const struct plan *plan, FILE *f)
{
	static const char *const verbs[] = {
		[WORK_DISKS] = "add its disks",
		[WORK_ACCESS] = "change its access rules",
		[WORK_ACCOUNTS] = "change its users",
		[WORK_REMAKE] = "make it again",
		[WORK_NEW] = "make it",
		[WORK_REMOVE] = "remove it",
		[WORK_NONE] = "skip it",
	};

	for (size_t i = 0; i < plan->n; i++) {
		const struct work *w = &plan->works[i];

		print_line(f, "%s: target: %s (%s)%s%s", w->name,
			   verbs[w->kind], w->why,
			   w->outcome == OUTCOME_FAILED    ? ": cannot: "
			   : w->outcome == OUTCOME_SKIPPED ? ": skipped: "
			   : w->force && w->live && w->live->n_connections
				   ? ", after ending its session"
			   : w->sessions_stay && w->live->n_connections
				   ? ", while its session goes on"
				   : "",
			   w->reason ? w->reason : "");
	}
	for (size_t i = 0; i < plan->n_reopens; i++)
		print_line(f, "%s: %s: give it its file again (%s)",
			   exports_name(plan->reopens[i].live),
			   plan->reopens[i].title, plan->reopens[i].why);
	for (size_t i = 0; i < plan->n_accounts; i++) {
		const struct account_work *a = &plan->accounts[i];

		print_line(f, "user %s: %s", a->user,
			   !a->secret ? "remove"
			   : a->known ? "set its secret again"
				      : "make it");
	}
}
