/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plan of a pass: the difference between the fleet and a running tgtd. */
#include "config.h"

#include "tgt-glue/reconcile/plan.h"

#include <string.h>

#include "base/printable.h"
#include "tgt-glue/config/acl.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/tgtd/backing-files.h"
#include "tgt-glue/tgtd/opened.h"
#include "tgt-glue/reconcile/targets-conf.h"

bool plan_wants_user(const struct client *client, const char *user)
{
	return client->user && !strcmp(client->user, user);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

const char *plan_disk_difference(struct arena *arena,
				 const struct clients *clients,
				 const struct client *client,
				 const struct tgtd_target *live)
{
	const struct client_state *state = clients_state(clients, client);
	const struct tgtd_lun *lun = &live->lun;

	if ((uint32_t)live->tid != client->tid)
		return arena_printf(arena,
				    "target number: expected %u, found %d",
				    client->tid, live->tid);
	if (!lun->exists)
		return "disk: expected LUN 1, found none";
	if (live->more_luns)
		return "disk: expected LUN 1 alone, found others";
	if (!same(lun->path, state->view))
		return arena_printf(arena, "disk: expected %s, found %s",
				    state->view,
				    lun->path ? lun->path : "none");
	if (!lun->online)
		return "disk: expected online, found offline";
	if (lun->file == FILE_OTHER)
		return "disk: expected the image that is at its path now, found another";
	if (lun->file == FILE_LOST)
		return "disk: expected a file that answers, found one whose mount is gone";
	if (lun->readonly != client->readonly)
		return lun->readonly
			       ? "disk: expected writable, found read-only"
			       : "disk: expected read-only, found writable";
	if (!same(lun->bs_type, "rdwr"))
		return arena_printf(arena,
				    "disk: expected store type rdwr, found %s",
				    lun->bs_type ? lun->bs_type : "none");
	if (lun->block_size != state->sector_size)
		return arena_printf(arena,
				    "disk: expected sectors of %u, found %u",
				    state->sector_size, lun->block_size);
	if (lun->thin != client->thin)
		return lun->thin ? "disk: expected no UNMAP, found it"
				 : "disk: expected UNMAP, found none";
	if (!same(lun->scsi_id, client->scsi_id) ||
	    !same(lun->scsi_sn, client->scsi_sn))
		return "disk: expected its own serial number, found another";
	return NULL;
}

/* True if the target has exactly the client's users. */
static bool has_users(const struct client *client,
		      const struct tgtd_target *live)
{
	if (live->accounts.n != (client->user ? 1 : 0) ||
	    (client->user && !strings_have(&live->accounts, client->user)))
		return false;
	return same(live->outgoing, client->mutual_user);
}

static bool secret_known(const struct last_applied *last, const char *user,
			 const char *secret)
{
	return !user || last_applied_has_secret(last, user, secret);
}

static bool has_access(struct arena *arena, const struct client *client,
		       const struct tgtd_target *live)
{
	struct strings wanted = acl_addresses(arena, client);

	for (size_t i = 0; i < wanted.n; i++)
		if (!strings_have(&live->acl, wanted.v[i]))
			return false;
	for (size_t i = 0; i < client->initiators.n; i++)
		if (!strings_have(&live->acl, client->initiators.v[i]))
			return false;
	return live->acl.n == wanted.n + client->initiators.n;
}

const char *plan_difference(struct arena *arena, const struct clients *clients,
			    const struct client *client,
			    const struct tgtd_target *live,
			    const struct last_applied *last,
			    enum work_kind *ret_kind)
{
	const char *why = plan_disk_difference(arena, clients, client, live);

	*ret_kind = WORK_REMAKE;
	if (why)
		return why;
	if (last &&
	    !last_applied_same_disk(last, client->iqn,
				    targets_conf_block(clients, client)))
		return "disk: write cache and the like are not known to be right";
	*ret_kind = WORK_ACCOUNTS;
	if (!has_users(client, live))
		return "users: expected others than there are";
	if (last &&
	    (!secret_known(last, client->user, client->secret) ||
	     !secret_known(last, client->mutual_user, client->mutual_secret)))
		return "secret: not known to be the one in fleet.conf";
	*ret_kind = WORK_ACCESS;
	if (!has_access(arena, client, live))
		return "addresses and names: expected others than there are";
	return NULL;
}

void work_skip(struct work *work, const char *reason)
{
	if (work->outcome == OUTCOME_FAILED)
		return;
	work->outcome = OUTCOME_SKIPPED;
	work->reason = reason;
}

void work_fail(struct work *work, const char *reason)
{
	if (work->outcome == OUTCOME_FAILED)
		return;
	work->outcome = OUTCOME_FAILED;
	work->reason = reason;
}

bool work_is_stopped(const struct work *work)
{
	return work->outcome == OUTCOME_SKIPPED ||
	       work->outcome == OUTCOME_FAILED;
}

static struct work *add_work(struct plan *plan)
{
	plan->works = arena_grow(&plan->arena, plan->works, plan->n,
				 sizeof *plan->works);
	return &plan->works[plan->n++];
}

const char *plan_logged_in(struct arena *arena, const struct work *work,
			   const struct tgtd_connection *list, size_t n)
{
	const char *initiators = tgtd_state_initiators(arena, list, n);

	return work->reset
		       ? arena_printf(
				 arena,
				 "logged in: %s; shut it down, then type `tgt-glue reset %s\'",
				 initiators, work->name)
		       : arena_printf(
				 arena,
				 "logged in: %s; shut it down, then type `tgt-glue apply\', or end its session with `tgt-glue apply --force %s\'",
				 initiators, work->name);
}

/* Skips a target that has sessions, unless force names its client or its
 * sessions must be ended. */
static void skip_if_in_use(struct plan *plan, struct work *work,
			   const char *force)
{
	const struct tgtd_target *live = work->live;

	work->force = (force && !strcmp(force, work->name)) ||
		      (live && !work->reset && opened_ends_sessions(live));
	if (live && live->n_connections && !work->force)
		work_skip(work,
			  plan_logged_in(&plan->arena, work, live->connections,
					 live->n_connections));
}

/* Reason for which the disk's file must be reopened, or null. */
static const char *reopen_reason(const struct tgtd_lun *lun)
{
	if (!lun->exists)
		return NULL;
	if (!lun->path)
		return "tgtd has no file for it";
	if (lun->file == FILE_LOST)
		return "the mount of tgtd's file is gone";
	return lun->online ? NULL : "it is offline";
}

/* The target as it is after the reopen. */
static struct tgtd_target reopened(const struct fleet *fleet,
				   const struct tgtd_target *target)
{
	struct tgtd_target as = *target;

	if (reopen_reason(&target->lun)) {
		as.lun.path = backing_files_path(fleet, target);
		as.lun.online = true;
		as.lun.file = FILE_UNKNOWN;
	}
	return as;
}

/* Reason why the client's target cannot be created: a foreign target has its
 * number.  Null: it can. */
static const char *number_is_taken(struct plan *plan,
				   const struct client *client,
				   const struct tgtd_target *other)
{
	if (!other || !strcmp(other->name, client->iqn) || other->ours)
		return NULL;
	return arena_printf(
		&plan->arena,
		"number %u belongs to target %s, which is not of this fleet; write `tid = NUMBER' under [client %s] in fleet.conf, then type `tgt-glue apply'",
		client->tid, other->name, client->name);
}

static void plan_client(struct plan *plan, const struct clients *clients,
			struct tgtd_state *live,
			const struct last_applied *last,
			const struct client *client,
			const struct plan_options *options,
			const char *skip_reason)
{
	const char *blocked = clients_state(clients, client)->blocked;
	bool reset = strings_have(&options->reset, client->name);
	struct tgtd_target *target = tgtd_state_target(live, client->iqn);
	enum work_kind kind = WORK_NEW;
	const char *why = "new";
	struct tgtd_target as;
	struct work *work;

	if (target) {
		as = reopened(clients->fleet, target);
		why = plan_difference(&plan->arena, clients, client, &as, last,
				      &kind);
	}
	if (target && !reset && opened_ends_sessions(target)) {
		kind = WORK_REMAKE;
		why = "answered writes may be lost: the mount was made anew";
	}
	if (target && reset && kind != WORK_REMAKE) {
		kind = WORK_REMAKE;
		why = "reset";
	}
	if (!why && blocked) {
		kind = WORK_NONE;
		why = "it is as it should be";
	}
	if (!why || (options->only && !reset))
		return;
	work = add_work(plan);
	*work = (struct work){ .kind = kind,
			       .name = client->name,
			       .client = client,
			       .live = target,
			       .why = why,
			       .reset = reset };
	if (!skip_reason)
		skip_reason = number_is_taken(
			plan, client,
			tgtd_state_target_by_tid(live, (int32_t)client->tid));
	if (skip_reason)
		work_fail(work, skip_reason);
	else
		skip_if_in_use(plan, work, options->force);
	if (!work_is_stopped(work) && blocked &&
	    (kind == WORK_NEW || kind == WORK_REMAKE || kind == WORK_NONE))
		work_skip(work, blocked);
}

static struct work *add_removal(struct plan *plan, struct tgtd_target *target,
				const char *name, const char *why,
				const char *force)
{
	struct work *work = add_work(plan);

	*work = (struct work){
		.kind = WORK_REMOVE, .name = name, .live = target, .why = why
	};
	skip_if_in_use(plan, work, force);
	return work;
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
static void plan_removal(struct plan *plan, const struct clients *clients,
			 const struct shard *shard, struct tgtd_target *target,
			 const char *force)
{
	const struct client *successor = successor_of(clients->fleet, target);
	const char *why = "not in fleet.conf";

	if (!target->ours ||
	    fleet_client_by_iqn(clients->fleet, target->name) ||
	    (successor && clients_state(clients, successor)->shard != shard))
		return;
	if (successor)
		why = arena_printf(&plan->arena,
				   "%s: its disk is target %s now",
				   target->name, successor->iqn);
	add_removal(plan, target,
		    successor ? successor->name : exports_name(target), why,
		    force)
		->successor = successor;
}

static void plan_migration(struct plan *plan, const struct shard *shard,
			   const struct shard *to, const struct client *client,
			   struct tgtd_target *target, const char *force)
{
	const char *why =
		arena_printf(&plan->arena, "it moves from shard %u to %u",
			     shard->number, to->number);
	struct work *work = add_removal(plan, target, client->name, why, force);

	if (strcmp(client->iqn, target->name) != 0)
		work->successor = client;
	if (work_is_stopped(work))
		work->reason = arena_printf(&plan->arena, "%s (%s)",
					    work->reason, why);
}

void plan_migrations(const struct clients *clients, const struct shard *shard,
		     struct tgtd_state *live,
		     const struct plan_options *options, struct plan *ret)
{
	const struct fleet *fleet = clients->fleet;

	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; i < live->n; i++) {
		struct tgtd_target *t = &live->targets[i];
		const struct client *c = fleet_client_by_iqn(fleet, t->name);

		if (!c)
			c = successor_of(fleet, t);
		if (c && clients_state(clients, c)->shard != shard)
			plan_migration(ret, shard,
				       clients_state(clients, c)->shard, c, t,
				       options->force);
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
static const char *user_in_use(struct plan *plan, struct tgtd_state *live,
			       const char *user)
{
	for (size_t i = 0; i < live->n; i++) {
		struct tgtd_target *t = &live->targets[i];
		struct work *work;

		if (!strings_have(&t->accounts, user) &&
		    !same(t->outgoing, user))
			continue;
		work = work_of(plan, t);
		if (!work || work_is_stopped(work) ||
		    work->kind == WORK_ACCESS || work->kind == WORK_NONE)
			return arena_printf(
				&plan->arena,
				"user %s is in use by target %s; shut its client down or give this one another user, then type `tgt-glue apply\'",
				user, t->name);
	}
	return NULL;
}

static void add_account(struct plan *plan, struct tgtd_state *live,
			const char *user, const char *secret)
{
	for (size_t i = 0; i < plan->n_accounts; i++)
		if (!strcmp(plan->accounts[i].user, user))
			return;
	plan->accounts = arena_grow(&plan->arena, plan->accounts,
				    plan->n_accounts, sizeof *plan->accounts);
	plan->accounts[plan->n_accounts++] = (struct account_work){
		.user = user,
		.secret = secret,
		.known = strings_have(&live->accounts, user),
	};
}

/* Plans the account that a user of the work's client needs. */
static void plan_user(struct plan *plan, struct tgtd_state *live,
		      const struct last_applied *last, struct work *work,
		      const char *user, const char *secret)
{
	const char *held;

	if (!user || work_is_stopped(work))
		return;
	if (strings_have(&live->accounts, user) &&
	    last_applied_has_secret(last, user, secret))
		return;
	held = user_in_use(plan, live, user);
	if (held)
		work_skip(work, held);
	else
		add_account(plan, live, user, secret);
}

static bool user_is_wanted(const struct clients *clients,
			   const struct shard *shard, const char *user)
{
	for (size_t i = 0; i < clients->fleet->n; i++) {
		const struct client *c = &clients->fleet->clients[i];

		if (clients->v[i].shard == shard &&
		    (same(c->user, user) || same(c->mutual_user, user)))
			return true;
	}
	return false;
}

/* Repeated until no further work is skipped: a skipped work may block the
 * accounts that others share with it. */
static void plan_accounts(struct plan *plan, const struct clients *clients,
			  const struct shard *shard, struct tgtd_state *live,
			  const struct last_applied *last, bool keep_all)
{
	size_t skipped_before, skipped = 0;

	do {
		skipped_before = skipped;
		skipped = 0;
		plan->n_accounts = 0;
		for (size_t i = 0; i < plan->n; i++) {
			struct work *w = &plan->works[i];
			const struct client *c = w->client;

			if (c && w->kind != WORK_ACCESS) {
				plan_user(plan, live, last, w, c->user,
					  c->secret);
				plan_user(plan, live, last, w, c->mutual_user,
					  c->mutual_secret);
			}
			skipped += w->outcome == OUTCOME_SKIPPED;
		}
	} while (skipped != skipped_before);
	for (size_t i = 0; !keep_all && i < live->accounts.n; i++) {
		const char *user = live->accounts.v[i];

		if (last_applied_has_user(last, user) &&
		    !user_is_wanted(clients, shard, user) &&
		    !user_in_use(plan, live, user))
			add_account(plan, live, user, NULL);
	}
}

/* Not for targets that are deleted; for targets whose work is skipped, too. */
static void plan_reopens(struct plan *plan, const struct fleet *fleet,
			 const struct tgtd_state *live)
{
	for (size_t i = 0; i < live->n; i++) {
		const struct tgtd_target *t = &live->targets[i];
		const char *why = t->ours ? reopen_reason(&t->lun) : NULL;
		const char *path = backing_files_path(fleet, t);
		const struct work *work = work_of(plan, t);

		if (!why || !path || opened_ends_sessions(t) ||
		    (work && !work_is_stopped(work) &&
		     (work->kind == WORK_REMAKE || work->kind == WORK_REMOVE)))
			continue;
		plan->reopens =
			arena_grow(&plan->arena, plan->reopens, plan->n_reopens,
				   sizeof *plan->reopens);
		plan->reopens[plan->n_reopens++] =
			(struct reopen){ .name = exports_name(t),
					 .live = t,
					 .path = path,
					 .why = why };
	}
}

/* A changed secret concerns every target with that user, also one without any
 * other difference. */
void plan_make(const struct clients *clients, const struct shard *shard,
	       struct tgtd_state *live, const struct last_applied *last,
	       const struct plan_options *options,
	       const char *const *skip_reason, struct plan *ret)
{
	struct fleet *fleet = clients->fleet;

	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; !options->only && i < live->n; i++)
		plan_removal(ret, clients, shard, &live->targets[i],
			     options->force);
	for (size_t i = 0; i < fleet->n; i++)
		if (clients->v[i].shard == shard)
			plan_client(ret, clients, live, last,
				    &fleet->clients[i], options,
				    skip_reason ? skip_reason[i] : NULL);
	plan_accounts(ret, clients, shard, live, last, options->only);
	if (!options->only)
		plan_reopens(ret, fleet, live);
}

void plan_fini(struct plan *plan)
{
	arena_fini(&plan->arena);
	memset(plan, 0, sizeof *plan);
}

void plan_print(const struct plan *plan, FILE *f)
{
	static const char *const verbs[] = {
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
				   : "",
			   w->reason ? w->reason : "");
	}
	for (size_t i = 0; i < plan->n_reopens; i++)
		print_line(f, "%s: disk: give it its file again (%s)",
			   plan->reopens[i].name, plan->reopens[i].why);
	for (size_t i = 0; i < plan->n_accounts; i++) {
		const struct account_work *a = &plan->accounts[i];

		print_line(f, "user %s: %s", a->user,
			   !a->secret ? "remove"
			   : a->known ? "set its secret again"
				      : "make it");
	}
}
