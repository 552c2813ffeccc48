/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pass of one shard.
 *
 * ORDER, so that a pass that was interrupted anywhere and is run again ends in
 * the same state:
 *
 *   1. what will be touched is removed from the record of what was applied
 *   2. the targets-file is written: a restart of tgtd brings the new state
 *   3. the plan is executed in tgtd (execute.c has the order of its steps)
 *   4. tgtd's state is read again: what is confirmed is recorded as applied
 */
#include "config.h"

#include "tgt-glue/reconcile/shard-pass.h"

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/reconcile/boot-resets.h"
#include "tgt-glue/reconcile/execute.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/client-rename.h"
#include "tgt-glue/tgtd/portals.h"
#include "tgt-glue/reconcile/report.h"
#include "tgt-glue/reconcile/shard-resets.h"
#include "tgt-glue/reconcile/targets-conf.h"

/* Accounts are read only if a client has, or had, a user. */
static bool has_users(const struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->fleet->n; i++)
		if (pass->fleet->clients[i].user)
			return true;
	return last_applied_has_users(&pass->last);
}

/* Reads tgtd's state. */
static int read_state(struct shard_pass *pass, struct tgtd_state *ret)
{
	int r = tgtd_state_read_ending(&pass->tgtd, pass->all->messages, ret);

	if (r == 0 && has_users(pass))
		r = tgtd_state_read_accounts(&pass->tgtd, ret);
	if (r == 0 && exports_inspect(pass->fleet, &pass->last, ret) < 0)
		messages_print(
			pass->all->messages,
			"warning: cannot tell whether %s has lost files of a mount that went away: %s",
			pass->shard->tgtd, error_text());
	if (r == 0)
		last_applied_keep(&pass->last, ret);
	opened_set_lost(&pass->opened, ret);
	return r;
}

static int read_tgtd(struct shard_pass *pass)
{
	int r = tgtd_open(pass->shard->control_port, &pass->tgtd);

	pass->off = r == -ECONNREFUSED || r == -ENOENT;
	pass->unready = r == 0 && !pass->tgtd.ready;
	if (pass->unready)
		r = fail(
			-EAGAIN,
			"%s: expected system state ready, found another: it is starting or stopping, and nothing is changed in it; type `tgt-glue apply' again when it is ready",
			pass->shard->tgtd);
	if (r == 0)
		r = last_applied_load(pass->shard, &pass->tgtd, &pass->last);
	if (r == 0)
		r = opened_load(pass->shard, pass->last.instance,
				&pass->opened);
	return r < 0 ? r : read_state(pass, &pass->live);
}

/* The disk's sector size, if tgtd has the file that the disk has now, and the
 * record says that it was given this size. */
static void note_sector_size(struct shard_pass *pass, const struct disk *disk,
			     const struct tgtd_lun *lun)
{
	struct disk_state *state = clients_disk(pass->clients, disk);
	const uint32_t before = state->sector_size;

	if (lun->file != FILE_RIGHT || !text_equal(lun->path, state->view))
		return;
	state->sector_size = lun->block_size;
	if (last_applied_has_store(&pass->last, disk->client->iqn,
				   targets_conf_store(pass->clients, disk)))
		state->exported_sector_size = lun->block_size;
	else
		state->sector_size = before;
}

static void note_sector_sizes(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->fleet->n_disks; i++) {
		const struct disk *disk = &pass->fleet->disks[i];
		const struct tgtd_target *target =
			disk->kind == DISK_OWN
				? tgtd_state_target(&pass->live,
						    disk->client->iqn)
				: NULL;
		const struct tgtd_lun *lun =
			target ? tgtd_state_lun(target, disk->lun) : NULL;

		if (lun)
			note_sector_size(pass, disk, lun);
	}
}

void shard_pass_read(struct shard_pass *pass)
{
	pass->plan = (struct plan){ .clients = pass->clients,
				    .shard = pass->shard,
				    .tgtd = &pass->tgtd,
				    .live = &pass->live,
				    .last = &pass->last,
				    .options = &pass->all->options,
				    .messages = pass->all->messages };
	pass->answers = read_tgtd(pass) == 0;
	if (pass->answers) {
		note_sector_sizes(pass);
		return;
	}
	if (pass->shard->number && !pass->unready)
		error_advise("it is the %s", pass->shard->tgtd);
	if (pass->off)
		error_advise("`%s' starts it, then type `tgt-glue apply'",
			     shard_start(pass->shard));
	pass->error = *error_last();
}

static int check_views_of(const struct shard_pass *pass, const struct work *w)
{
	int r = w->reset ? client_images_check_mounted(pass->fleet) : 0;

	for (size_t i = 0; r == 0 && i < w->client->n_disks; i++) {
		const struct disk *disk = &w->client->disks[i];

		/* A reset creates the image; a rename brings it. */
		if (!plan_resets(&pass->all->options, disk) &&
		    !(w->reset && client_rename_brings(pass->clients, disk)) &&
		    (!(KIND(w->kind) & WORKS_STAY) || work_adds(w, disk)))
			r = client_image_view_ready(pass->clients, disk);
	}
	return r;
}

/* Fails a target of which a file is missing: tgtd would create it without that
 * disk. */
static void check_views(struct shard_pass *pass)
{
	const unsigned made = KIND(WORK_NEW) | KIND(WORK_REMAKE) | WORKS_STAY;
	struct plan *plan = &pass->plan;

	for (struct work *w = NULL; (w = work_next(plan, w, made));) {
		if (check_views_of(pass, w) < 0) {
			work_stop_disks(plan, w, OUTCOME_FAILED, error_text());
			pass->all->waiting = true;
		}
	}
}

/* 2.  With only, just the blocks of the clients that are reset change. */
static int write_file(struct shard_pass *pass)
{
	_cleanup_free_ char *text = NULL;
	struct strings kept = { 0 };
	int r = 0;

	if (pass->all->options.only)
		r = targets_conf_text_replaced(pass->clients, pass->shard,
					       &pass->all->options.reset,
					       &text);
	else if ((r = targets_conf_kept(pass->clients, pass->shard, &pass->live,
					&kept)) == 0)
		text = targets_conf_text(pass->clients, pass->shard, &kept);
	/* With only, and without a file: apply writes it. */
	if (r == 0 && *text)
		r = targets_conf_write(pass->shard, text);
	return r;
}

/* 1 */
int shard_pass_forget_touched(struct shard_pass *pass)
{
	struct plan *plan = &pass->plan;
	int r;

	for (struct work *w = NULL; (w = work_next(plan, w, KINDS_ALL));) {
		if (!w->live)
			continue;
		if (opened_ends_sessions(w->live))
			opened_note_restart(&pass->opened, w->live->name);
		else if (!w->live->n_connections)
			opened_forget(&pass->opened, w->live->name);
		/* tgtd reports access rules itself, so no record of them is
		 * needed; and a disk that is added is not in the record. */
		if (w->kind == WORK_ACCOUNTS)
			last_applied_forget_users(&pass->last, w->live->name);
		else if (w->kind != WORK_ACCESS && w->kind != WORK_DISKS)
			last_applied_forget(&pass->last, w->live->name);
	}
	for (size_t i = 0; i < plan->n_reopens; i++)
		if (!plan->reopens[i].live->n_connections)
			opened_forget(&pass->opened,
				      plan->reopens[i].live->name);
	r = opened_save(pass->shard, &pass->opened);
	return r < 0 ? r : last_applied_save(pass->shard, &pass->last);
}

/* What is not as the work says; null: all is. */
static const char *undone(struct shard_pass *pass, const struct work *work,
			  const struct tgtd_target *target,
			  enum work_kind *ret_kind)
{
	struct arena *arena = &pass->plan.arena;
	struct tgtd_target as;

	if (!work->client)
		return target ? "it is still there" : NULL;
	if (!target)
		return "it is not there";
	as = plan_copy_target(arena, target);
	/* verify_reopens checks for lost files. */
	for (size_t i = 0; i < as.n_luns; i++)
		as.luns[i].file = FILE_UNKNOWN;
	return difference_of_target(arena, pass->clients, work->client, &as,
				    NULL, ret_kind);
}

int shard_pass_verify(struct shard_pass *pass, struct tgtd_state *ret)
{
	struct plan *plan = &pass->plan;
	int r = read_state(pass, ret);

	for (struct work *w = NULL;
	     r == 0 && (w = work_next(plan, w, KINDS_ALL));) {
		enum work_kind kind = w->kind;
		const struct tgtd_target *target = tgtd_state_target(
			ret, w->client ? w->client->iqn : w->live->name);
		const char *why = undone(pass, w, target, &kind);

		if (why && w->no_disks && kind == WORK_DISKS)
			work_stop(plan, w, w->no_disks_outcome, "%s",
				  w->no_disks);
		else if (why)
			work_stop(
				plan, w, OUTCOME_FAILED,
				"after it was applied: %s; `tgt-glue apply' tries again",
				why);
	}
	return r;
}

/* 4 */
static int remember_done(struct shard_pass *pass)
{
	for (struct work *w = NULL;
	     (w = work_next(&pass->plan, w, ~KIND(WORK_REMOVE)));)
		last_applied_set(&pass->last, w->client->iqn,
				 targets_conf_block(pass->clients, w->client));
	return last_applied_save(pass->shard, &pass->last);
}

/* 4, of the files that tgtd has open. */
static int remember_opened(struct shard_pass *pass, struct tgtd_state *now)
{
	struct plan *plan = &pass->plan;
	struct strings iqns = { 0 };

	/* Sessions of a recreated target are new ones. */
	for (struct work *w = NULL;
	     (w = work_next(plan, w, KIND(WORK_REMAKE)));)
		opened_forget(&pass->opened, w->client->iqn);
	for (size_t i = 0; i < pass->fleet->n; i++)
		if (pass->clients->v[i].shard == pass->shard)
			strings_add(&plan->arena, &iqns,
				    pass->fleet->clients[i].iqn);
	opened_update(&pass->opened, &iqns, now);
	return opened_save(pass->shard, &pass->opened);
}

/* Without the mount, one message for all disks. */
static void reopen_files(struct shard_pass *pass)
{
	if (pass->plan.n_reopens &&
	    client_images_check_mounted(pass->fleet) < 0) {
		messages_print(pass->all->messages,
			       "%zu disk%s lost the file: %s",
			       pass->plan.n_reopens,
			       pass->plan.n_reopens == 1 ? " has" : "s have",
			       error_text());
		pass->all->failed = pass->all->waiting = true;
		pass->plan.n_reopens = 0;
	}
	for (size_t i = 0; i < pass->plan.n_reopens; i++) {
		struct reopen *o = &pass->plan.reopens[i];

		if (execute_reopen(&pass->tgtd, o) < 0)
			o->failed =
				arena_strdup(&pass->plan.arena, error_text());
	}
}

/* Fails reopens after which tgtd still does not have the file. */
static void verify_reopens(struct shard_pass *pass,
			   const struct tgtd_state *now)
{
	for (size_t i = 0; i < pass->plan.n_reopens; i++) {
		struct reopen *o = &pass->plan.reopens[i];
		const struct tgtd_target *t =
			tgtd_state_target(now, o->live->name);
		const struct tgtd_lun *lun =
			t ? tgtd_state_lun(t, o->lun->number) : NULL;

		if (!o->failed && lun &&
		    (!lun->online || lun->file == FILE_LOST))
			o->failed =
				"after the request tgtd has the disk offline or without its file; `tgt-glue apply' tries again";
	}
}

/* Disks that the work's target, which stays, could not get. */
static bool unlist_disks(struct shard_pass *pass, const struct work *work)
{
	bool any = false;

	for (size_t i = 0; i < work->client->n_disks; i++) {
		const struct disk *disk = &work->client->disks[i];
		struct disk_state *state = clients_disk(pass->clients, disk);

		if (difference_lacks(disk, work->live) && !state->unlisted)
			any = state->unlisted = true;
	}
	return any;
}

/* Disks that another target kept while the plan was executed, and the clients
 * whose target was not made because of that. */
static bool unlist_blocked(struct shard_pass *pass)
{
	bool any = false;

	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];
		struct client_state *state =
			w->client ? clients_state(pass->clients, w->client)
				  : NULL;

		if (!state || w->outcome != OUTCOME_SKIPPED)
			continue;
		/* What was blocked before is unlisted already. */
		if (!state->blocked && (w->no_disks || w->kind == WORK_DISKS))
			any = unlist_disks(pass, w) || any;
		else if (state->blocked && !state->unlisted &&
			 (w->absent || !w->live))
			any = state->unlisted = true;
	}
	return any;
}

static int apply_to_tgtd(struct shard_pass *pass)
{
	struct plan *plan = &pass->plan;
	const bool any_resets = plan->options->reset.n ||
				plan->options->boot.n ||
				plan->options->n_follow;
	_cleanup_(tgtd_state_fini) struct tgtd_state now = { 0 };
	int r = shard_pass_forget_touched(pass);

	if (r == 0)
		r = boot_resets_begin(pass);
	if (r == 0)
		r = write_file(pass);
	if (r < 0)
		return r;
	reopen_files(pass);
	if (!plan->n && !plan->n_accounts && !plan->n_reopens)
		return remember_opened(pass, &pass->live);
	execute_plan(plan);
	/* 4: what tgtd has now is compared with the plan, and remembered. */
	r = shard_pass_verify(pass, &now);
	if (r < 0)
		return r;
	verify_reopens(pass, &now);
	boot_resets_end(pass);
	/* A fresh image may have another sector size, and a removal may have
	 * been skipped. */
	if (unlist_blocked(pass) || any_resets)
		r = write_file(pass);
	if (r >= 0 && any_resets)
		r = boot_resets_save(pass->all);
	/* write_file returns 1 if the text changed. */
	if (r >= 0)
		r = remember_done(pass);
	return r < 0 ? r : remember_opened(pass, &now);
}

/* Without tgtd: only writes the targets-file, for its next start. */
static int run_without_tgtd(struct shard_pass *pass)
{
	pass->all->waiting = true;
	if (pass->all->dry || write_file(pass) >= 0)
		error_set(&pass->error);
	report_error(pass);
	if (pass->unready)
		pass->all->skipped = true;
	return pass->unready ? 0 : pass->error.code;
}

/* Without tgtd: resets images only if tgtd certainly does not run, and so no
 * client is logged in. */
static int reset_without_tgtd(struct shard_pass *pass)
{
	error_set(&pass->error);
	report_error(pass);
	if (pass->unready) {
		pass->all->skipped = pass->all->waiting = true;
		return 0;
	}
	if (!pass->off)
		return pass->error.code;
	messages_print(pass->all->messages,
		       "no %s runs: the images alone are %s", pass->shard->tgtd,
		       pass->clients->which ? "restored" : "reset");
	shard_resets_run(pass);
	if (boot_resets_save(pass->all) < 0 || write_file(pass) < 0)
		return error_last()->code;
	return 0;
}

/* True if the pass concerns this shard. */
static bool is_concerned(const struct shard_pass *pass)
{
	const struct strings *names = &pass->all->options.reset;

	if (!pass->all->options.only)
		return true;
	for (size_t i = 0; i < names->n; i++)
		if (clients_state(pass->clients,
				  fleet_client(pass->fleet, names->v[i]))
			    ->shard == pass->shard)
			return true;
	return false;
}

/* True if the shard serves no client, and its tgtd has no target of ours. */
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

/* Removes the files of a retired shard that is empty. */
static int retire(struct shard_pass *pass)
{
	int r;

	if (!pass->shard->retired || pass->all->dry ||
	    pass->all->options.only || pass->unready || !is_empty(pass))
		return 0;
	r = targets_conf_remove(pass->shard);
	if (r < 0)
		report_error(pass);
	else
		print_line(stdout, "%s: removed", pass->shard->targets_file);
	return r;
}

/* Fails the creation of targets that another tgtd may have. */
static void fail_new_targets(struct shard_pass *pass)
{
	if (!pass->blocked_reason)
		return;
	for (struct work *w = NULL;
	     (w = work_next(&pass->plan, w, KIND(WORK_NEW)));)
		work_stop(&pass->plan, w, OUTCOME_FAILED, "%s",
			  pass->blocked_reason);
	pass->all->waiting = true;
}

static int run_with_tgtd(struct shard_pass *pass)
{
	int r;

	plan_make(&pass->plan);
	fail_new_targets(pass);
	if (pass->all->dry) {
		plan_print(&pass->plan, stdout);
		return 0;
	}
	shard_resets_check(pass);
	check_views(pass);
	r = apply_to_tgtd(pass);
	if (r < 0) {
		report_error(pass);
		return r;
	}
	report_works(pass);
	report_restarts(pass);
	portals_check(&pass->tgtd, &pass->live, pass->shard,
		      pass->all->messages);
	return 0;
}

int shard_pass_run(struct shard_pass *pass)
{
	int r;

	if (!is_concerned(pass))
		return 0;
	if (pass->answers)
		r = run_with_tgtd(pass);
	else if (pass->shard->retired && pass->off)
		r = 0;
	else
		r = pass->all->options.only ? reset_without_tgtd(pass)
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
