/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plan of a pass: the difference between the fleet and a running tgtd. */
#include "config.h"

#include "tgt-glue/reconcile/plan.h"

#include <stdarg.h>
#include <string.h>

#include "base/printable.h"
#include "tgt-glue/config/acl.h"
#include "tgt-glue/reconcile/client-rename.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/tgtd/backing-files.h"
#include "tgt-glue/tgtd/opened.h"

bool client_has_user(const struct client *client, const char *user)
{
	return text_equal(client->user, user) ||
	       text_equal(client->mutual_user, user);
}

/*
 * True if each of the target's rules is wanted.  Then its users may change
 * under a session, which goes on: tgtd asks for a secret only at a login.  A
 * pass that was interrupted leaves a target that lacks rules.
 */
static bool loses_no_rule(struct arena *arena, const struct client *client,
			  const struct tgtd_target *live)
{
	const struct strings wanted = acl_entries(arena, client);

	for (size_t i = 0; i < live->acl.n; i++)
		if (!strings_have(&wanted, live->acl.v[i]))
			return false;
	return true;
}

bool work_adds(const struct work *work, const struct disk *disk)
{
	return KIND(work->kind) & WORKS_STAY && !work->no_disks &&
	       difference_lacks(disk, work->live);
}

bool work_adds_any(const struct work *work)
{
	bool any = false;

	for (size_t i = 0; work->client && i < work->client->n_disks; i++)
		any = any || work_adds(work, &work->client->disks[i]);
	return any;
}

void work_stop(struct plan *plan, struct work *work, enum work_outcome outcome,
	       const char *fmt, ...)
{
	va_list ap;

	if (work->outcome == OUTCOME_FAILED)
		return;
	work->outcome = outcome;
	va_start(ap, fmt);
	work->reason = arena_vprintf(&plan->arena, fmt, ap);
	va_end(ap);
}

bool work_is_stopped(const struct work *work)
{
	return work->outcome == OUTCOME_SKIPPED ||
	       work->outcome == OUTCOME_FAILED;
}

void work_stop_disks(struct plan *plan, struct work *work,
		     enum work_outcome outcome, const char *why)
{
	if (!(KIND(work->kind) & WORKS_STAY) || work->kind == WORK_DISKS) {
		work_stop(plan, work, outcome, "%s", why);
	} else if (work_adds_any(work)) {
		work->no_disks = arena_strdup(&plan->arena, why);
		work->no_disks_outcome = outcome;
	}
}

struct work *work_next(const struct plan *plan, const struct work *w,
		       unsigned kinds)
{
	for (size_t i = w ? (size_t)(w - plan->works) + 1 : 0; i < plan->n; i++)
		if (KIND(plan->works[i].kind) & kinds &&
		    !work_is_stopped(&plan->works[i]))
			return &plan->works[i];
	return NULL;
}

/* The command to type so that the first disk that is reset is. */
static const char *replace_command(struct plan *plan, const struct work *work)
{
	for (size_t i = 0; i < work->client->n_disks; i++)
		if (plan_resets(plan->options, &work->client->disks[i]))
			return clients_replace_command(plan->clients,
						       &work->client->disks[i]);
	return "tgt-glue apply";
}

void work_skip_logged_in(struct plan *plan, struct work *work)
{
	const char *initiators =
		tgtd_state_initiators(&plan->arena, work->live);

	if (work->reset)
		work_stop(plan, work, OUTCOME_SKIPPED,
			  "logged in: %s; shut it down, then type `%s'",
			  initiators, replace_command(plan, work));
	else
		work_stop(
			plan, work, OUTCOME_SKIPPED,
			"logged in: %s; shut it down, then type `tgt-glue apply', or end its session with `tgt-glue apply --force %s'",
			initiators, work->name);
}

/* Adds the work.  A target that has sessions is skipped, unless they stay,
 * force names its client, or they must be ended. */
static struct work *add_work(struct plan *plan, struct work new)
{
	const char *force = plan->options->force;
	const struct tgtd_target *live = new.live;
	struct work *work;

	plan->works = arena_grow(&plan->arena, plan->works, plan->n,
				 sizeof *plan->works);
	work = &plan->works[plan->n++];
	*work = new;
	work->force = (force && !strcmp(force, work->name)) ||
		      (live && !work->reset && opened_ends_sessions(live));
	if (live && live->n_connections && !work->force &&
	    work->kind != WORK_DISKS && !work->sessions_stay)
		work_skip_logged_in(plan, work);
	return work;
}

struct tgtd_target plan_copy_target(struct arena *arena,
				    const struct tgtd_target *target)
{
	struct tgtd_target copy = *target;

	if (!copy.n_luns)
		return copy;
	copy.luns = arena_alloc(arena, copy.n_luns * sizeof *copy.luns);
	memcpy(copy.luns, target->luns, copy.n_luns * sizeof *copy.luns);
	return copy;
}

/* Reason for which the disk's file must be reopened, or null. */
static const char *reopen_reason(const struct tgtd_lun *lun)
{
	if (!lun->path)
		return "tgtd has no file for it";
	if (lun->file == FILE_LOST)
		return "the mount of tgtd's file is gone";
	return lun->online ? NULL : "it is offline";
}

/* The target as it is after the reopens. */
static struct tgtd_target reopened(struct plan *plan,
				   const struct tgtd_target *target)
{
	struct tgtd_target as = plan_copy_target(&plan->arena, target);

	for (size_t i = 0; i < as.n_luns; i++) {
		struct tgtd_lun *lun = &as.luns[i];

		if (!reopen_reason(lun))
			continue;
		lun->path =
			backing_files_path(plan->clients->fleet, target, lun);
		lun->online = true;
		lun->file = FILE_UNKNOWN;
	}
	return as;
}

/* A foreign target that has the client's number, or null. */
static const struct tgtd_target *number_holder(const struct plan *plan,
					       const struct client *client)
{
	const struct tgtd_target *t =
		tgtd_state_target_by_tid(plan->live, (int32_t)client->tid);

	return t && strcmp(t->name, client->iqn) != 0 && !t->ours ? t : NULL;
}

/* The difference, and the work that removes it; null: none. */
static const char *client_difference(struct plan *plan,
				     const struct client *client,
				     const struct tgtd_target *target,
				     bool reset, enum work_kind *ret_kind)
{
	struct tgtd_target as;
	const char *why;

	*ret_kind = WORK_NEW;
	if (!target)
		return "new";
	as = reopened(plan, target);
	why = difference_of_target(&plan->arena, plan->clients, client, &as,
				   plan->last, ret_kind);
	if (!reset && opened_ends_sessions(target))
		why = "answered writes may be lost: the mount was made anew";
	else if (reset && *ret_kind != WORK_REMAKE)
		why = plan_reset_reason(plan, client);
	else
		return why;
	*ret_kind = WORK_REMAKE;
	return why;
}

/* Why a disk of the client has no image, or null. */
static const char *image_error(const struct clients *clients,
			       const struct client *client)
{
	for (size_t i = 0; i < client->n_disks; i++) {
		const struct disk_state *state =
			clients_disk(clients, &client->disks[i]);

		if (state->image_error)
			return state->image_error;
	}
	return NULL;
}

static void plan_client(struct plan *plan, const struct client *client)
{
	const struct client_state *state = clients_state(plan->clients, client);
	const bool reset = plan_resets_client(plan->options, client);
	struct tgtd_target *target = tgtd_state_target(plan->live, client->iqn);
	const struct tgtd_target *holder = number_holder(plan, client);
	enum work_kind kind;
	const char *why = client_difference(plan, client, target, reset, &kind);
	const bool stay = kind == WORK_ACCOUNTS &&
			  loses_no_rule(&plan->arena, client, target);
	const char *error;
	struct work *work;

	if (!why && state->blocked) {
		kind = WORK_NONE;
		why = "no difference";
	}
	if (!why || (plan->options->only && !reset))
		return;
	work = add_work(plan, (struct work){ .kind = kind,
					     .name = client->name,
					     .client = client,
					     .live = target,
					     .why = why,
					     .reset = reset,
					     .sessions_stay = stay });
	error = image_error(plan->clients, client);
	if (error)
		work_stop_disks(plan, work, OUTCOME_FAILED, error);
	else if (holder)
		work_stop(
			plan, work, OUTCOME_FAILED,
			"number %u belongs to target %s, which is not of this fleet; write `tid = NUMBER' under [client %s] in fleet.conf, then type `tgt-glue apply'",
			client->tid, holder->name, client->name);
	if (!work_is_stopped(work) && state->blocked)
		work_stop_disks(plan, work, OUTCOME_SKIPPED, state->blocked);
}

/* The client whose disk a target of ours exports for writing under another
 * name, or null. */
static const struct client *successor_of(const struct fleet *fleet,
					 const struct tgtd_target *target)
{
	return target->ours && !fleet_client_by_iqn(fleet, target->name)
		       ? exports_writable(target)
		       : NULL;
}

/* Removes a target of ours that fleet.conf no longer names. */
static void plan_removal(struct plan *plan, struct tgtd_target *target)
{
	const struct fleet *fleet = plan->clients->fleet;
	const struct client *successor = successor_of(fleet, target);
	const char *why = "not in fleet.conf";

	if (!target->ours || fleet_client_by_iqn(fleet, target->name) ||
	    (successor &&
	     clients_state(plan->clients, successor)->shard != plan->shard))
		return;
	if (successor)
		why = arena_printf(&plan->arena,
				   "%s: its disk is target %s now",
				   target->name, successor->iqn);
	add_work(plan, (struct work){ .kind = WORK_REMOVE,
				      .name = successor ? successor->name
							: exports_name(target),
				      .successor = successor,
				      .live = target,
				      .why = why });
}

/* Removes the target that a client had under its earlier name. */
static void plan_rename(struct plan *plan, struct tgtd_target *target)
{
	const char *from = plan->clients->from;

	if (from && target->ours &&
	    !strcmp(target->name,
		    client_rename_iqn(&plan->arena, plan->clients->fleet,
				      from)))
		add_work(plan, (struct work){ .kind = WORK_REMOVE,
					      .name = from,
					      .live = target,
					      .why = "it has another name" });
}

void plan_migrations(struct plan *plan)
{
	for (size_t i = 0; i < plan->live->n; i++) {
		struct tgtd_target *t = &plan->live->targets[i];
		const struct client *own =
			fleet_client_by_iqn(plan->clients->fleet, t->name);
		const struct client *successor =
			successor_of(plan->clients->fleet, t);
		const struct client *c = own ? own : successor;
		const struct shard *to;
		struct work *work;

		if (!c) {
			plan_rename(plan, t);
			continue;
		}
		to = clients_state(plan->clients, c)->shard;
		if (to == plan->shard)
			continue;
		work = add_work(
			plan,
			(struct work){ .kind = WORK_REMOVE,
				       .name = c->name,
				       .successor = successor,
				       .live = t,
				       .why = arena_printf(
					       &plan->arena,
					       "it moves from shard %u to %u",
					       plan->shard->number,
					       to->number) });
		if (work_is_stopped(work))
			work->reason = arena_printf(&plan->arena, "%s (%s)",
						    work->reason, work->why);
	}
}

static struct work *work_of(const struct plan *plan,
			    const struct tgtd_target *target)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->works[i].live == target)
			return &plan->works[i];
	return NULL;
}

/*
 * Deleting an account unbinds it from all its targets, which admits initiators
 * without a secret unless each of these targets is closed meanwhile.  Returns
 * why the account cannot be deleted, or null.
 */
static const char *user_in_use(struct plan *plan, const char *user)
{
	for (size_t i = 0; i < plan->live->n; i++) {
		const struct tgtd_target *t = &plan->live->targets[i];
		const struct work *work;

		if (!strings_have(&t->accounts, user) &&
		    !text_equal(t->outgoing, user))
			continue;
		work = work_of(plan, t);
		if (!work || work_is_stopped(work) ||
		    work->kind == WORK_ACCESS || work->kind == WORK_DISKS ||
		    work->kind == WORK_NONE)
			return arena_printf(
				&plan->arena,
				"user %s is in use by target %s; shut its client down or give this one another user, then type `tgt-glue apply'",
				user, t->name);
	}
	return NULL;
}

static void add_account(struct plan *plan, const char *user, const char *secret)
{
	for (size_t i = 0; i < plan->n_accounts; i++)
		if (!strcmp(plan->accounts[i].user, user))
			return;
	plan->accounts = arena_grow(&plan->arena, plan->accounts,
				    plan->n_accounts, sizeof *plan->accounts);
	plan->accounts[plan->n_accounts++] = (struct account_work){
		.user = user,
		.secret = secret,
		.known = strings_have(&plan->live->accounts, user),
	};
}

/* Plans the account that a user of the work's client needs. */
static void plan_user(struct plan *plan, struct work *work, const char *user,
		      const char *secret)
{
	const char *held;

	if (!user || work_is_stopped(work) ||
	    (strings_have(&plan->live->accounts, user) &&
	     last_applied_has_secret(plan->last, user, secret)))
		return;
	held = user_in_use(plan, user);
	if (held)
		work_stop(plan, work, OUTCOME_SKIPPED, "%s", held);
	else
		add_account(plan, user, secret);
}

static bool user_is_wanted(const struct plan *plan, const char *user)
{
	for (size_t i = 0; i < plan->clients->fleet->n; i++)
		if (plan->clients->v[i].shard == plan->shard &&
		    client_has_user(&plan->clients->fleet->clients[i], user))
			return true;
	return false;
}

/* Repeated until no further work is skipped: a skipped work may block the
 * accounts that others share with it. */
static void plan_accounts(struct plan *plan)
{
	size_t skipped_before, skipped = 0;

	do {
		skipped_before = skipped;
		skipped = 0;
		plan->n_accounts = 0;
		for (size_t i = 0; i < plan->n; i++) {
			struct work *w = &plan->works[i];
			const struct client *c = w->client;

			if (c && w->kind != WORK_ACCESS &&
			    w->kind != WORK_DISKS) {
				plan_user(plan, w, c->user, c->secret);
				plan_user(plan, w, c->mutual_user,
					  c->mutual_secret);
			}
			skipped += w->outcome == OUTCOME_SKIPPED;
		}
	} while (skipped != skipped_before);
}

/* Deletes accounts of ours that no client has any more. */
static void plan_old_accounts(struct plan *plan)
{
	for (size_t i = 0; i < plan->live->accounts.n; i++) {
		const char *user = plan->live->accounts.v[i];

		if (last_applied_has_user(plan->last, user) &&
		    !user_is_wanted(plan, user) && !user_in_use(plan, user))
			add_account(plan, user, NULL);
	}
}

/* "disk", "disk NAME", or "LUN NUMBER" of a disk that fleet.conf does not
 * have. */
static const char *lun_title(const struct plan *plan,
			     const struct tgtd_target *target,
			     const struct tgtd_lun *lun, struct arena *arena)
{
	const struct client *client =
		fleet_client_by_iqn(plan->clients->fleet, target->name);
	const struct disk *disk =
		client ? client_lun(client, lun->number) : NULL;

	if (disk)
		return disk_title(arena, disk);
	return lun->number == SYSTEM_LUN
		       ? "disk"
		       : arena_printf(arena, "LUN %u", lun->number);
}

static void add_reopens(struct plan *plan, const struct tgtd_target *t)
{
	for (size_t i = 0; i < t->n_luns; i++) {
		const struct tgtd_lun *lun = &t->luns[i];
		const char *why = reopen_reason(lun);
		const char *path =
			backing_files_path(plan->clients->fleet, t, lun);

		if (!why || !path)
			continue;
		plan->reopens =
			arena_grow(&plan->arena, plan->reopens, plan->n_reopens,
				   sizeof *plan->reopens);
		plan->reopens[plan->n_reopens++] =
			(struct reopen){ .live = t,
					 .lun = lun,
					 .title = lun_title(plan, t, lun,
							    &plan->arena),
					 .path = path,
					 .why = why };
	}
}

/* Not for targets that are deleted; for targets whose work is skipped, too. */
static void plan_reopens(struct plan *plan)
{
	for (size_t i = 0; i < plan->live->n; i++) {
		const struct tgtd_target *t = &plan->live->targets[i];
		const struct work *work = work_of(plan, t);

		if (t->ours && !opened_ends_sessions(t) &&
		    !(work && !work_is_stopped(work) &&
		      (work->kind == WORK_REMAKE || work->kind == WORK_REMOVE)))
			add_reopens(plan, t);
	}
}

/* A changed secret concerns every target with that user, also one without any
 * other difference. */
void plan_make(struct plan *plan)
{
	const bool only = plan->options->only;

	for (size_t i = 0; !only && i < plan->live->n; i++)
		plan_removal(plan, &plan->live->targets[i]);
	for (size_t i = 0; i < plan->clients->fleet->n; i++)
		if (plan->clients->v[i].shard == plan->shard)
			plan_client(plan, &plan->clients->fleet->clients[i]);
	plan_accounts(plan);
	if (only)
		return;
	plan_old_accounts(plan);
	plan_reopens(plan);
}

void plan_fini(struct plan *plan)
{
	arena_fini(&plan->arena);
	plan->n = plan->n_reopens = plan->n_accounts = 0;
}
