/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORDER of one shard's round, so that one that was interrupted anywhere and is
 * run again ends in the same state:
 *
 *   1. what is going to be touched is taken out of what is known to be applied
 *   2. the targets-file is written: from here on a restart brings the new state
 *   3. tgtd is brought to it (carry.c has the order of that)
 *   4. tgtd is asked again: what is right now is known to be applied
 */
#include "config.h"

#include "tgt-glue/round.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/aside.h"
#include "tgt-glue/carry.h"
#include "tgt-glue/exports.h"
#include "tgt-glue/children.h"
#include "tgt-glue/files.h"
#include "tgt-glue/portals.h"
#include "tgt-glue/targets.h"

/* Something that went wrong, or was left, with a client. */
static void say(const struct round *round, const char *client, const char *what,
		const char *why)
{
	notes_say(round->notes, "%s: %s%s", client, what, why);
}

/* The last error. */
static void say_error(const struct round *round)
{
	notes_say(round->notes, "%s", error_text());
}

int round_look(struct round *round)
{
	int r;

	live_fini(&round->live);
	r = live_read_ending(&round->tgtd, round->notes, &round->live);
	if (r == 0 && exports_look(round->fleet, &round->tgtd, &round->applied,
				   &round->live) < 0)
		notes_say(
			round->notes,
			"warning: cannot tell whether %s has lost files of a mount that went away: %s",
			round->shard->tgtd, error_text());
	opened_judge(&round->opened, &round->live);
	return r;
}

static int read_tgtd(struct round *round)
{
	int r = tgtd_open(round->shard->control_port, &round->tgtd);

	round->off = r == -ECONNREFUSED || r == -ENOENT;
	if (r == 0)
		r = tgtd_ready(&round->tgtd);
	round->unready = r == 0;
	if (r == 0)
		r = fail(
			-EAGAIN,
			"%s: expected system state ready, found another: it is starting or stopping, and is left as it is; type `tgt-glue apply' again when it is ready",
			round->shard->tgtd);
	if (r > 0)
		r = applied_load(round->shard, &round->tgtd, &round->applied);
	if (r == 0)
		r = opened_load(round->shard, round->applied.instance,
				&round->opened);
	if (r == 0)
		r = round_look(round);
	if (r == 0)
		applied_keep_names(&round->applied, &round->live);
	return r;
}

void round_read(struct round *round)
{
	round->there = read_tgtd(round) == 0;
	if (round->there)
		return;
	if (round->shard->number && !round->unready)
		error_advise("it is the %s", round->shard->tgtd);
	if (round->off)
		error_advise("`%s\' starts it, then type `tgt-glue apply\'",
			     shard_start(round->shard));
	round->error = *error_last();
}

static int view_ready(const struct round *round, const struct work *work)
{
	if (!work->reset)
		return children_view_ready(round->fleet, work->client);
	if (children_mounted(round->fleet))
		return 0;
	return children_fail_unmounted(round->fleet);
}

/* A disk that somebody else uses, or builds on, is not reset. */
static void check_resets(struct round *round)
{
	pid_t pid = 0;

	for (size_t i = 0; i < round->plan.n; i++) {
		struct work *w = &round->plan.works[i];
		int r = 0;

		if (!w->reset || w->left || w->failed)
			continue;
		if (!pid)
			r = tgtd_pid(&round->tgtd, &pid);
		if (r == 0)
			r = aside_check(round->fleet, w->client, pid);
		if (r < 0)
			w->left = pool_strdup(&round->plan.pool, error_text());
	}
}

/* A target whose file is not there would be made without a disk. */
static void check_views(struct round *round)
{
	for (size_t i = 0; i < round->plan.n; i++) {
		struct work *w = &round->plan.works[i];

		if ((w->kind != WORK_NEW && w->kind != WORK_REMAKE) ||
		    w->left || w->failed || view_ready(round, w) == 0)
			continue;
		w->failed = pool_strdup(&round->plan.pool, error_text());
		round->waiting = true;
	}
}

int round_write(const struct round *round, const char *text)
{
	int r = targets_write(round->shard, text);

	if (r > 0)
		print_line(stdout, "%s: written", round->shard->targets_file);
	return r;
}

/* Writes the targets-file: with only, nothing but the blocks of those who are
 * reset changes. 2 */
static int write_file(struct round *round)
{
	_cleanup_free_ char *text = NULL;
	struct strings kept = { 0 };
	int r = 0;

	if (round->wishes.only)
		r = targets_text_but(round->fleet, round->shard,
				     &round->wishes.reset, &text);
	else if ((r = targets_kept(round->fleet, round->shard, &round->live,
				   &kept)) == 0)
		text = targets_text(round->fleet, round->shard, &kept);
	/* Where there is no file, apply is to make it. */
	if (r == 0 && *text)
		r = round_write(round, text);
	return r;
}

/* 1, of the files that tgtd has open. */
static int forget_opened(struct round *round)
{
	struct plan *plan = &round->plan;

	for (size_t i = 0; i < plan->n; i++) {
		const struct work *w = &plan->works[i];

		if (w->left || w->failed || !w->live)
			continue;
		if (plan_ends_session(w->live))
			opened_note_restart(&round->opened, w->live->name);
		else if (!w->live->n_connections)
			opened_forget(&round->opened, w->live->name);
	}
	for (size_t i = 0; i < plan->n_reopens; i++)
		if (!plan->reopens[i].live->n_connections)
			opened_forget(&round->opened,
				      plan->reopens[i].live->name);
	return opened_save(round->shard, &round->opened);
}

/* 1 */
int round_forget_touched(struct round *round)
{
	int r = forget_opened(round);

	if (r < 0)
		return r;
	for (size_t i = 0; i < round->plan.n; i++) {
		const struct work *w = &round->plan.works[i];

		/* Who is admitted tgtd tells itself. */
		if (!w->left && !w->failed && w->live && w->kind != WORK_ACCESS)
			applied_forget(&round->applied, w->live->name);
	}
	return applied_save(round->shard, &round->tgtd, &round->applied);
}

/* Asks tgtd whether what was done is so. */
int round_verify(struct round *round)
{
	struct plan *plan = &round->plan;
	struct live now;
	int r = live_read(&round->tgtd, &now);

	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		struct work *w = &plan->works[i];
		enum work_kind kind;
		struct live_target *target;
		const char *why = NULL;

		if (w->left || w->failed)
			continue;
		target = live_target(&now, w->client ? w->client->iqn
						     : w->live->name);
		if (!w->client)
			why = target ? "it is still there" : NULL;
		else if (!target)
			why = "it is not there";
		else
			why = plan_difference(&plan->pool, round->fleet,
					      w->client, target, NULL, &kind);
		if (why)
			w->failed = pool_printf(
				&plan->pool,
				"after it was applied: %s; `tgt-glue apply\' tries again",
				why);
	}
	live_fini(&now);
	return r;
}

/* 4 */
static int remember_done(struct round *round)
{
	for (size_t i = 0; i < round->plan.n; i++) {
		const struct work *w = &round->plan.works[i];

		if (w->left || w->failed)
			continue;
		if (w->client)
			applied_set(&round->applied, w->client->iqn,
				    targets_block(round->fleet, w->client));
		else
			applied_disown(&round->applied, w->live->name);
	}
	return applied_save(round->shard, &round->tgtd, &round->applied);
}

/* 4, of the files that tgtd has open. */
static int remember_opened(struct round *round)
{
	struct plan *plan = &round->plan;
	bool touched = plan->n || plan->n_reopens;
	struct live now = { 0 }, *live = touched ? &now : &round->live;
	int r = touched ? live_read(&round->tgtd, &now) : 0;

	if (r == 0 && touched)
		(void)exports_look(round->fleet, &round->tgtd, &round->applied,
				   &now);
	/* Sessions of a target that was made again are new ones. */
	for (size_t i = 0; r == 0 && i < plan->n; i++)
		if (plan->works[i].kind == WORK_REMAKE &&
		    !plan->works[i].left && !plan->works[i].failed)
			opened_forget(&round->opened,
				      plan->works[i].client->iqn);
	if (r == 0)
		opened_update(&round->opened, round->fleet, round->shard, live);
	live_fini(&now);
	return r < 0 ? r : opened_save(round->shard, &round->opened);
}

static void report_restarts(const struct round *round)
{
	for (size_t i = 0; i < round->opened.restart.n; i++)
		say(round, strrchr(round->opened.restart.v[i], ':') + 1,
		    "restart it: its session was ended, for writes that it was told are done may be lost",
		    "");
}

static void report_reset(const struct round *round, const struct client *client,
			 const struct aside *aside)
{
	if (aside->old)
		print_line(stdout, "%s: image: %s is fresh; the old one is %s",
			   client->name, client->child,
			   aside->removed ? "removed (keep = 0)" : aside->old);
	for (size_t i = 0; i < aside->told.n; i++)
		say(round, client->name, "image: ", aside->told.v[i]);
}

static void report_reopens(struct round *round)
{
	for (size_t i = 0; i < round->plan.n_reopens; i++) {
		const struct reopen *o = &round->plan.reopens[i];

		if (o->failed) {
			round->failed = round->waiting = true;
			say(round, o->name, "disk: ", o->failed);
		} else {
			print_line(stdout,
				   "%s: disk: given its file again (%s)",
				   o->name, o->why);
		}
	}
}

void round_report(struct round *round)
{
	static const char *const done[] = {
		[WORK_ACCESS] = "changed who is admitted",
		[WORK_ACCOUNTS] = "changed its users",
		[WORK_REMAKE] = "made again",
		[WORK_NEW] = "made",
		[WORK_REMOVE] = "removed",
		[WORK_NONE] = "left",
	};

	for (size_t i = 0; i < round->plan.n; i++) {
		const struct work *w = &round->plan.works[i];

		report_reset(round, w->client, &w->aside);
		if (w->failed) {
			round->failed = true;
			say(round, w->name, "target: ", w->failed);
		} else if (w->not_reset) {
			round->left = true;
			say(round, w->name,
			    "image: left as it is: ", w->not_reset);
		} else if (w->left) {
			round->left = round->waiting = true;
			say(round, w->name, "left as it is: ", w->left);
		} else {
			print_line(stdout, "%s: target: %s (%s)", w->name,
				   done[w->kind], w->why);
		}
	}
	report_reopens(round);
}

/* Without the mount one line is enough. */
static void reopen_files(struct round *round)
{
	if (round->plan.n_reopens && !children_mounted(round->fleet)) {
		children_fail_unmounted(round->fleet);
		notes_say(round->notes, "%zu disk%s lost the file: %s",
			  round->plan.n_reopens,
			  round->plan.n_reopens == 1 ? " has" : "s have",
			  error_text());
		round->failed = round->waiting = true;
		round->plan.n_reopens = 0;
	}
	for (size_t i = 0; i < round->plan.n_reopens; i++) {
		struct reopen *o = &round->plan.reopens[i];

		if (carry_reopen(&round->tgtd, o) < 0)
			o->failed =
				pool_strdup(&round->plan.pool, error_text());
	}
}

/* Has tgtd the files now? */
static int verify_reopens(struct round *round)
{
	struct plan *plan = &round->plan;
	struct live now = { 0 };
	int r = 0;

	if (!plan->n_reopens)
		return 0;
	r = live_read(&round->tgtd, &now);
	if (r == 0)
		exports_look(round->fleet, &round->tgtd, &round->applied, &now);
	for (size_t i = 0; r == 0 && i < plan->n_reopens; i++) {
		struct reopen *o = &plan->reopens[i];
		const struct live_target *t = live_target(&now, o->live->name);

		if (!o->failed && t && t->lun.exists &&
		    (!t->lun.online || t->lun.file == FILE_LOST))
			o->failed =
				"tgtd did not take it; `tgt-glue apply\' tries again";
	}
	live_fini(&now);
	return r;
}

/* Those whose disk another target kept while the plan was carried out. */
static bool unlist_blocked(struct round *round)
{
	bool any = false;

	for (size_t i = 0; i < round->plan.n; i++) {
		const struct work *w = &round->plan.works[i];

		if (w->client && w->left && w->client->blocked &&
		    !w->client->unlisted && (w->absent || !w->live))
			any = w->client->unlisted = true;
	}
	return any;
}

static int apply_to_tgtd(struct round *round)
{
	int r = round_forget_touched(round);

	if (r == 0)
		r = write_file(round);
	if (r < 0)
		return r;
	reopen_files(round);
	if (!round->plan.n && !round->plan.n_accounts) {
		r = applied_save(round->shard, &round->tgtd, &round->applied);
		if (r == 0)
			r = verify_reopens(round);
		return r < 0 ? r : remember_opened(round);
	}
	carry_out(round->fleet, &round->tgtd, &round->live, &round->plan);
	r = round_verify(round);
	if (r == 0)
		r = verify_reopens(round);
	/* A fresh image may have other sectors, and what was to go may not have
	 * gone. */
	if (r == 0 && (unlist_blocked(round) || round->wishes.reset.n))
		r = write_file(round);
	/* 1 where it was written. */
	if (r >= 0)
		r = remember_done(round);
	return r < 0 ? r : remember_opened(round);
}

/* No tgtd: the file at least is as it should be when it comes. */
static int run_without_tgtd(struct round *round)
{
	round->waiting = true;
	error_set(&round->error);
	if (round->dry || write_file(round) >= 0)
		error_set(&round->error);
	say_error(round);
	if (round->unready)
		round->left = true;
	return round->unready ? 0 : round->error.code;
}

/* Only that no tgtd runs makes sure that nobody is logged in. */
static int reset_without_tgtd(struct round *round)
{
	const struct strings *names = &round->wishes.reset;

	error_set(&round->error);
	say_error(round);
	if (round->unready) {
		round->left = round->waiting = true;
		return 0;
	}
	if (!round->off)
		return round->error.code;
	notes_say(round->notes, "no %s runs: the images alone are reset",
		  round->shard->tgtd);
	for (size_t i = 0; i < names->n; i++) {
		struct client *client = fleet_client(round->fleet, names->v[i]);
		struct aside aside = { 0 };
		int r;

		if (client->shard != round->shard)
			continue;
		r = aside_check(round->fleet, client, 0);
		if (r == 0)
			r = aside_reset(round->fleet, client, &aside);
		report_reset(round, client, &aside);
		if (r < 0) {
			round->left = true;
			say(round, client->name,
			    "image: left as it is: ", error_text());
		}
	}
	return write_file(round) < 0 ? error_last()->code : 0;
}

/* Is anything asked of this shard? */
static bool is_concerned(const struct round *round)
{
	const struct strings *names = &round->wishes.reset;

	if (!round->wishes.only)
		return true;
	for (size_t i = 0; i < names->n; i++)
		if (fleet_client(round->fleet, names->v[i])->shard ==
		    round->shard)
			return true;
	return false;
}

/* Has the shard no client any more, nor its tgtd a target of ours? */
static bool is_empty(const struct round *round)
{
	for (size_t i = 0; i < round->fleet->n; i++)
		if (round->fleet->clients[i].shard == round->shard)
			return false;
	for (size_t i = 0; i < round->plan.n; i++)
		if (round->plan.works[i].left || round->plan.works[i].failed)
			return false;
	return true;
}

/* What is written of a shard goes with it. */
static int retire(struct round *round)
{
	int r;

	if (!round->shard->retired || round->dry || round->wishes.only ||
	    round->unready || !is_empty(round))
		return 0;
	r = targets_remove(round->shard);
	if (r < 0)
		say_error(round);
	else
		print_line(stdout, "%s: removed", round->shard->targets_file);
	return r;
}

/* New targets that another tgtd may have. */
static void hold_back(struct round *round)
{
	for (size_t i = 0; i < round->plan.n; i++) {
		struct work *w = &round->plan.works[i];

		if (w->kind == WORK_NEW && !w->left && !w->failed)
			w->failed = round->hold;
	}
	round->waiting = round->waiting || round->hold;
}

static int run_with_tgtd(struct round *round)
{
	int r;

	plan_make(round->fleet, round->shard, &round->live, &round->applied,
		  &round->wishes, round->skip, &round->plan);
	hold_back(round);
	if (round->dry) {
		plan_print(&round->plan, stdout);
		return 0;
	}
	check_resets(round);
	check_views(round);
	r = apply_to_tgtd(round);
	if (r < 0) {
		say_error(round);
		return r;
	}
	round_report(round);
	report_restarts(round);
	portals_check(&round->tgtd, &round->live, round->shard, round->notes);
	return 0;
}

int round_run(struct round *round)
{
	int r;

	if (!is_concerned(round))
		return 0;
	if (round->there)
		r = run_with_tgtd(round);
	else if (round->shard->retired && round->off)
		r = 0;
	else
		r = round->wishes.only ? reset_without_tgtd(round)
				       : run_without_tgtd(round);
	return r < 0 ? r : retire(round);
}

void round_fini(struct round *round)
{
	plan_fini(&round->plan);
	applied_fini(&round->applied);
	opened_fini(&round->opened);
	live_fini(&round->live);
}
