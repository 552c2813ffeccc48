/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORDER of one shard's round, so that one that was interrupted anywhere and is
 * run again ends in the same state:
 *
 *   1. what is going to be touched is taken out of what is known to be applied
 *   2. the targets-file is written: from here on a restart brings the new state
 *   3. tgtd is brought to it (execute.c has the order of that)
 *   4. tgtd is asked again: what is right now is known to be applied
 */
#include "config.h"

#include "tgt-glue/reconcile/shard-pass.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/reconcile/image-reset.h"
#include "tgt-glue/reconcile/execute.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/tgtd/backing-files.h"
#include "tgt-glue/tgtd/portals.h"
#include "tgt-glue/reconcile/targets-conf.h"

/* Something that went wrong, or was left, with a client. */
static void say(const struct shard_pass *pass, const char *client,
		const char *what, const char *why)
{
	messages_print(pass->messages, "%s: %s%s", client, what, why);
}

/* The last error. */
static void say_error(const struct shard_pass *pass)
{
	messages_print(pass->messages, "%s", error_text());
}

int shard_pass_read_again(struct shard_pass *pass)
{
	int r;

	tgtd_state_fini(&pass->live);
	r = tgtd_state_read_ending(&pass->tgtd, pass->messages, &pass->live);
	if (r == 0 && exports_look(pass->fleet, &pass->tgtd, &pass->last,
				   &pass->live) < 0)
		messages_print(
			pass->messages,
			"warning: cannot tell whether %s has lost files of a mount that went away: %s",
			pass->shard->tgtd, error_text());
	opened_judge(&pass->opened, &pass->live);
	return r;
}

static int read_tgtd(struct shard_pass *pass)
{
	int r = tgtd_open(pass->shard->control_port, &pass->tgtd);

	pass->off = r == -ECONNREFUSED || r == -ENOENT;
	if (r == 0)
		r = tgtd_ready(&pass->tgtd);
	pass->unready = r == 0;
	if (r == 0)
		r = fail(
			-EAGAIN,
			"%s: expected system state ready, found another: it is starting or stopping, and is left as it is; type `tgt-glue apply' again when it is ready",
			pass->shard->tgtd);
	if (r > 0)
		r = last_applied_load(pass->shard, &pass->tgtd, &pass->last);
	if (r == 0)
		r = opened_load(pass->shard, pass->last.instance,
				&pass->opened);
	if (r == 0)
		r = shard_pass_read_again(pass);
	if (r == 0) {
		last_applied_keep_names(&pass->last, &pass->live);
		last_applied_keep_users(&pass->last, &pass->live.accounts);
	}
	return r;
}

void shard_pass_read(struct shard_pass *pass)
{
	pass->there = read_tgtd(pass) == 0;
	if (pass->there)
		return;
	if (pass->shard->number && !pass->unready)
		error_advise("it is the %s", pass->shard->tgtd);
	if (pass->off)
		error_advise("`%s\' starts it, then type `tgt-glue apply\'",
			     shard_start(pass->shard));
	pass->error = *error_last();
}

static int view_ready(const struct shard_pass *pass, const struct work *work)
{
	if (!work->reset)
		return client_image_view_ready(pass->clients, work->client);
	if (client_images_mounted(pass->fleet))
		return 0;
	return client_images_fail_unmounted(pass->fleet);
}

/* A disk that somebody else uses, or builds on, is not reset. */
static void check_resets(struct shard_pass *pass)
{
	pid_t pid = 0;

	for (size_t i = 0; i < pass->plan.n; i++) {
		struct work *w = &pass->plan.works[i];
		int r = 0;

		if (!w->reset || work_is_stopped(w))
			continue;
		if (!pid)
			r = tgtd_pid(&pass->tgtd, &pid);
		if (r == 0)
			r = image_reset_check(pass->fleet, w->client, pid);
		if (r < 0)
			work_skip(w, arena_strdup(&pass->plan.arena,
						  error_text()));
	}
}

/* A target whose file is not there would be made without a disk. */
static void check_views(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n; i++) {
		struct work *w = &pass->plan.works[i];

		if ((w->kind != WORK_NEW && w->kind != WORK_REMAKE) ||
		    work_is_stopped(w) || view_ready(pass, w) == 0)
			continue;
		work_fail(w, arena_strdup(&pass->plan.arena, error_text()));
		pass->waiting = true;
	}
}

int shard_pass_write(const struct shard_pass *pass, const char *text)
{
	int r = targets_conf_write(pass->shard, text);

	if (r > 0)
		print_line(stdout, "%s: written", pass->shard->targets_file);
	return r;
}

/* Writes the targets-file: with only, nothing but the blocks of those who are
 * reset changes. 2 */
static int write_file(struct shard_pass *pass)
{
	_cleanup_free_ char *text = NULL;
	struct strings kept = { 0 };
	int r = 0;

	if (pass->options.only)
		r = targets_conf_text_but(pass->clients, pass->shard,
					  &pass->options.reset, &text);
	else if ((r = targets_conf_kept(pass->clients, pass->shard, &pass->live,
					&kept)) == 0)
		text = targets_conf_text(pass->clients, pass->shard, &kept);
	/* Where there is no file, apply is to make it. */
	if (r == 0 && *text)
		r = shard_pass_write(pass, text);
	return r;
}

/* 1, of the files that tgtd has open. */
static int forget_opened(struct shard_pass *pass)
{
	struct plan *plan = &pass->plan;

	for (size_t i = 0; i < plan->n; i++) {
		const struct work *w = &plan->works[i];

		if (work_is_stopped(w) || !w->live)
			continue;
		if (opened_ends_sessions(w->live))
			opened_note_restart(&pass->opened, w->live->name);
		else if (!w->live->n_connections)
			opened_forget(&pass->opened, w->live->name);
	}
	for (size_t i = 0; i < plan->n_reopens; i++)
		if (!plan->reopens[i].live->n_connections)
			opened_forget(&pass->opened,
				      plan->reopens[i].live->name);
	return opened_save(pass->shard, &pass->opened);
}

/* 1 */
int shard_pass_forget_touched(struct shard_pass *pass)
{
	int r = forget_opened(pass);

	if (r < 0)
		return r;
	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];

		/* Who is admitted tgtd tells itself. */
		if (!work_is_stopped(w) && w->live && w->kind != WORK_ACCESS)
			last_applied_forget(&pass->last, w->live->name);
	}
	return last_applied_save(pass->shard, &pass->tgtd, &pass->last);
}

/* Asks tgtd whether what was done is so. */
int shard_pass_verify(struct shard_pass *pass)
{
	struct plan *plan = &pass->plan;
	struct tgtd_state now;
	int r = tgtd_state_read(&pass->tgtd, &now);

	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		struct work *w = &plan->works[i];
		enum work_kind kind;
		struct tgtd_target *target;
		const char *why = NULL;

		if (work_is_stopped(w))
			continue;
		target = tgtd_state_target(&now, w->client ? w->client->iqn
							   : w->live->name);
		if (!w->client)
			why = target ? "it is still there" : NULL;
		else if (!target)
			why = "it is not there";
		else
			why = plan_difference(&plan->arena, pass->clients,
					      w->client, target, NULL, &kind);
		if (why)
			work_fail(
				w,
				arena_printf(
					&plan->arena,
					"after it was applied: %s; `tgt-glue apply\' tries again",
					why));
	}
	if (r == 0)
		last_applied_keep_users(&pass->last, &now.accounts);
	tgtd_state_fini(&now);
	return r;
}

/* 4 */
static int remember_done(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];

		if (work_is_stopped(w))
			continue;
		if (w->client)
			last_applied_set(
				&pass->last, w->client->iqn,
				targets_conf_block(pass->clients, w->client));
		else
			last_applied_disown(&pass->last, w->live->name);
	}
	return last_applied_save(pass->shard, &pass->tgtd, &pass->last);
}

/* 4, of the files that tgtd has open. */
static int remember_opened(struct shard_pass *pass)
{
	struct plan *plan = &pass->plan;
	bool touched = plan->n || plan->n_reopens;
	struct strings iqns = { 0 };
	struct tgtd_state now = { 0 }, *live = touched ? &now : &pass->live;
	int r = touched ? tgtd_state_read(&pass->tgtd, &now) : 0;

	if (r == 0 && touched)
		(void)exports_look(pass->fleet, &pass->tgtd, &pass->last, &now);
	/* Sessions of a target that was made again are new ones. */
	for (size_t i = 0; r == 0 && i < plan->n; i++)
		if (plan->works[i].kind == WORK_REMAKE &&
		    !work_is_stopped(&plan->works[i]))
			opened_forget(&pass->opened,
				      plan->works[i].client->iqn);
	for (size_t i = 0; i < pass->fleet->n; i++)
		if (pass->clients->v[i].shard == pass->shard)
			strings_add(&plan->arena, &iqns,
				    pass->fleet->clients[i].iqn);
	if (r == 0)
		opened_update(&pass->opened, &iqns, live);
	tgtd_state_fini(&now);
	return r < 0 ? r : opened_save(pass->shard, &pass->opened);
}

static void report_restarts(const struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->opened.restart.n; i++)
		say(pass, strrchr(pass->opened.restart.v[i], ':') + 1,
		    "restart it: its session was ended, for writes that it was told are done may be lost",
		    "");
}

static void report_reset(const struct shard_pass *pass,
			 const struct client *client,
			 const struct image_reset *aside)
{
	if (aside->old)
		print_line(stdout, "%s: image: %s is fresh; the old one is %s",
			   client->name, client->child,
			   aside->removed ? "removed (keep = 0)" : aside->old);
	for (size_t i = 0; i < aside->told.n; i++)
		say(pass, client->name, "image: ", aside->told.v[i]);
}

static void report_reopens(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n_reopens; i++) {
		const struct reopen *o = &pass->plan.reopens[i];

		if (o->failed) {
			pass->failed = pass->waiting = true;
			say(pass, o->name, "disk: ", o->failed);
		} else {
			print_line(stdout,
				   "%s: disk: given its file again (%s)",
				   o->name, o->why);
		}
	}
}

void shard_pass_report(struct shard_pass *pass)
{
	static const char *const done[] = {
		[WORK_ACCESS] = "changed who is admitted",
		[WORK_ACCOUNTS] = "changed its users",
		[WORK_REMAKE] = "made again",
		[WORK_NEW] = "made",
		[WORK_REMOVE] = "removed",
		[WORK_NONE] = "left",
	};

	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];

		report_reset(pass, w->client, &w->aside);
		switch (w->outcome) {
		case OUTCOME_FAILED:
			pass->failed = true;
			say(pass, w->name, "target: ", w->reason);
			break;
		case OUTCOME_NOT_RESET:
			pass->skipped = true;
			say(pass, w->name, "image: left as it is: ", w->reason);
			break;
		case OUTCOME_SKIPPED:
			pass->skipped = pass->waiting = true;
			say(pass, w->name, "left as it is: ", w->reason);
			break;
		case OUTCOME_DONE:
			print_line(stdout, "%s: target: %s (%s)", w->name,
				   done[w->kind], w->why);
			break;
		}
	}
	report_reopens(pass);
}

/* Without the mount one line is enough. */
static void reopen_files(struct shard_pass *pass)
{
	if (pass->plan.n_reopens && !client_images_mounted(pass->fleet)) {
		client_images_fail_unmounted(pass->fleet);
		messages_print(pass->messages, "%zu disk%s lost the file: %s",
			       pass->plan.n_reopens,
			       pass->plan.n_reopens == 1 ? " has" : "s have",
			       error_text());
		pass->failed = pass->waiting = true;
		pass->plan.n_reopens = 0;
	}
	for (size_t i = 0; i < pass->plan.n_reopens; i++) {
		struct reopen *o = &pass->plan.reopens[i];

		if (execute_reopen(&pass->tgtd, o) < 0)
			o->failed =
				arena_strdup(&pass->plan.arena, error_text());
	}
}

/* Has tgtd the files now? */
static int verify_reopens(struct shard_pass *pass)
{
	struct plan *plan = &pass->plan;
	struct tgtd_state now = { 0 };
	int r = 0;

	if (!plan->n_reopens)
		return 0;
	r = tgtd_state_read(&pass->tgtd, &now);
	if (r == 0)
		exports_look(pass->fleet, &pass->tgtd, &pass->last, &now);
	for (size_t i = 0; r == 0 && i < plan->n_reopens; i++) {
		struct reopen *o = &plan->reopens[i];
		const struct tgtd_target *t =
			tgtd_state_target(&now, o->live->name);

		if (!o->failed && t && t->lun.exists &&
		    (!t->lun.online || t->lun.file == FILE_LOST))
			o->failed =
				"tgtd did not take it; `tgt-glue apply\' tries again";
	}
	tgtd_state_fini(&now);
	return r;
}

/* Clients whose disk another target kept while the plan was executed. */
static bool unlist_blocked(struct shard_pass *pass)
{
	bool any = false;

	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];
		struct client_state *state =
			w->client ? clients_state(pass->clients, w->client)
				  : NULL;

		if (state && w->outcome == OUTCOME_SKIPPED && state->blocked &&
		    !state->unlisted && (w->absent || !w->live))
			any = state->unlisted = true;
	}
	return any;
}

static int apply_to_tgtd(struct shard_pass *pass)
{
	int r = shard_pass_forget_touched(pass);

	if (r == 0)
		r = write_file(pass);
	if (r < 0)
		return r;
	reopen_files(pass);
	if (!pass->plan.n && !pass->plan.n_accounts) {
		r = last_applied_save(pass->shard, &pass->tgtd, &pass->last);
		if (r == 0)
			r = verify_reopens(pass);
		return r < 0 ? r : remember_opened(pass);
	}
	execute_plan(pass->clients, &pass->tgtd, &pass->live, &pass->plan);
	r = shard_pass_verify(pass);
	if (r == 0)
		r = verify_reopens(pass);
	/* A fresh image may have other sectors, and what was to go may not have
	 * gone. */
	if (r == 0 && (unlist_blocked(pass) || pass->options.reset.n))
		r = write_file(pass);
	/* 1 where it was written. */
	if (r >= 0)
		r = remember_done(pass);
	return r < 0 ? r : remember_opened(pass);
}

/* No tgtd: the file at least is as it should be when it comes. */
static int run_without_tgtd(struct shard_pass *pass)
{
	pass->waiting = true;
	error_set(&pass->error);
	if (pass->dry || write_file(pass) >= 0)
		error_set(&pass->error);
	say_error(pass);
	if (pass->unready)
		pass->skipped = true;
	return pass->unready ? 0 : pass->error.code;
}

/* Only that no tgtd runs makes sure that nobody is logged in. */
static int reset_without_tgtd(struct shard_pass *pass)
{
	const struct strings *names = &pass->options.reset;

	error_set(&pass->error);
	say_error(pass);
	if (pass->unready) {
		pass->skipped = pass->waiting = true;
		return 0;
	}
	if (!pass->off)
		return pass->error.code;
	messages_print(pass->messages, "no %s runs: the images alone are reset",
		       pass->shard->tgtd);
	for (size_t i = 0; i < names->n; i++) {
		const struct client *client =
			fleet_client(pass->fleet, names->v[i]);
		struct image_reset aside = { 0 };
		int r;

		if (clients_state(pass->clients, client)->shard != pass->shard)
			continue;
		r = image_reset_check(pass->fleet, client, 0);
		if (r == 0)
			r = image_reset_run(pass->clients, client, &aside);
		report_reset(pass, client, &aside);
		if (r < 0) {
			pass->skipped = true;
			say(pass, client->name,
			    "image: left as it is: ", error_text());
		}
	}
	return write_file(pass) < 0 ? error_last()->code : 0;
}

/* Is anything asked of this shard? */
static bool is_concerned(const struct shard_pass *pass)
{
	const struct strings *names = &pass->options.reset;

	if (!pass->options.only)
		return true;
	for (size_t i = 0; i < names->n; i++)
		if (clients_state(pass->clients,
				  fleet_client(pass->fleet, names->v[i]))
			    ->shard == pass->shard)
			return true;
	return false;
}

/* Has the shard no client any more, nor its tgtd a target of ours? */
static bool is_empty(const struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->fleet->n; i++)
		if (pass->clients->v[i].shard == pass->shard)
			return false;
	for (size_t i = 0; i < pass->plan.n; i++)
		if (work_is_stopped(&pass->plan.works[i]))
			return false;
	return true;
}

/* What is written of a shard goes with it. */
static int retire(struct shard_pass *pass)
{
	int r;

	if (!pass->shard->retired || pass->dry || pass->options.only ||
	    pass->unready || !is_empty(pass))
		return 0;
	r = targets_conf_remove(pass->shard);
	if (r < 0)
		say_error(pass);
	else
		print_line(stdout, "%s: removed", pass->shard->targets_file);
	return r;
}

/* New targets that another tgtd may have. */
static void hold_back(struct shard_pass *pass)
{
	if (!pass->blocked_reason)
		return;
	for (size_t i = 0; i < pass->plan.n; i++) {
		struct work *w = &pass->plan.works[i];

		if (w->kind == WORK_NEW && !work_is_stopped(w))
			work_fail(w, pass->blocked_reason);
	}
	pass->waiting = true;
}

static int run_with_tgtd(struct shard_pass *pass)
{
	int r;

	plan_make(pass->clients, pass->shard, &pass->live, &pass->last,
		  &pass->options, pass->skip_reason, &pass->plan);
	hold_back(pass);
	if (pass->dry) {
		plan_print(&pass->plan, stdout);
		return 0;
	}
	check_resets(pass);
	check_views(pass);
	r = apply_to_tgtd(pass);
	if (r < 0) {
		say_error(pass);
		return r;
	}
	shard_pass_report(pass);
	report_restarts(pass);
	portals_check(&pass->tgtd, &pass->live, pass->shard, pass->messages);
	return 0;
}

int shard_pass_run(struct shard_pass *pass)
{
	int r;

	if (!is_concerned(pass))
		return 0;
	if (pass->there)
		r = run_with_tgtd(pass);
	else if (pass->shard->retired && pass->off)
		r = 0;
	else
		r = pass->options.only ? reset_without_tgtd(pass)
				       : run_without_tgtd(pass);
	return r < 0 ? r : retire(pass);
}

void shard_pass_fini(struct shard_pass *pass)
{
	plan_fini(&pass->plan);
	last_applied_fini(&pass->last);
	opened_fini(&pass->opened);
	tgtd_state_fini(&pass->live);
}
