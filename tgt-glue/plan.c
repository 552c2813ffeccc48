/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/plan.h"

#include <string.h>

#include "base/printable.h"
#include "tgt-glue/access.h"
#include "tgt-glue/exports.h"
#include "tgt-glue/files.h"
#include "tgt-glue/targets.h"

const char *plan_client_name(const struct fleet *fleet, const char *iqn)
{
	size_t n = strlen(fleet->iqn_prefix);

	if (strncmp(iqn, fleet->iqn_prefix, n) != 0 || iqn[n] != ':')
		return NULL;
	return iqn + n + 1;
}

const char *plan_initiators(struct pool *pool, const struct live_connection *c,
			    size_t n)
{
	const char *more = n > 1 ? " and others" : "";

	return pool_printf(pool, "%s from %s%s", c->initiator, c->address,
			   more);
}

bool plan_wants_user(const struct client *client, const char *user)
{
	return client->user && !strcmp(client->user, user);
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

const char *plan_disk_difference(struct pool *pool, const struct client *client,
				 const struct live_target *live)
{
	const struct live_lun *lun = &live->lun;

	if ((uint32_t)live->tid != client->tid)
		return pool_printf(pool, "target number: expected %u, found %d",
				   client->tid, live->tid);
	if (!lun->exists)
		return "disk: expected LUN 1, found none";
	if (live->more_luns)
		return "disk: expected LUN 1 alone, found others";
	if (!same(lun->path, client->view))
		return pool_printf(pool, "disk: expected %s, found %s",
				   client->view,
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
		return pool_printf(pool,
				   "disk: expected store type rdwr, found %s",
				   lun->bs_type ? lun->bs_type : "none");
	if (lun->block_size != client->sector_size)
		return pool_printf(pool,
				   "disk: expected sectors of %u, found %u",
				   client->sector_size, lun->block_size);
	if (lun->thin != client->thin)
		return lun->thin ? "disk: expected no UNMAP, found it"
				 : "disk: expected UNMAP, found none";
	if (!same(lun->scsi_id, client->scsi_id) ||
	    !same(lun->scsi_sn, client->scsi_sn))
		return "disk: expected its own serial number, found another";
	return NULL;
}

/* Does the target have exactly the client's users? */
static bool has_users(const struct client *client,
		      const struct live_target *live)
{
	if (live->accounts.n != (client->user ? 1 : 0) ||
	    (client->user && !strings_have(&live->accounts, client->user)))
		return false;
	return same(live->outgoing, client->mutual_user);
}

static bool secret_known(const struct applied *applied, const char *user,
			 const char *secret)
{
	return !user || applied_has_secret(applied, user, secret);
}

static bool has_access(struct pool *pool, const struct client *client,
		       const struct live_target *live)
{
	struct strings wanted = access_addresses(pool, client);

	for (size_t i = 0; i < wanted.n; i++)
		if (!strings_have(&live->acl, wanted.v[i]))
			return false;
	for (size_t i = 0; i < client->initiators.n; i++)
		if (!strings_have(&live->acl, client->initiators.v[i]))
			return false;
	return live->acl.n == wanted.n + client->initiators.n;
}

const char *plan_difference(struct pool *pool, struct fleet *fleet,
			    const struct client *client,
			    const struct live_target *live,
			    const struct applied *applied,
			    enum work_kind *ret_kind)
{
	const char *why = plan_disk_difference(pool, client, live);

	*ret_kind = WORK_REMAKE;
	if (why)
		return why;
	if (applied && !applied_same_disk(applied, client->iqn,
					  targets_block(fleet, client)))
		return "disk: write cache and the like are not known to be right";
	*ret_kind = WORK_ACCOUNTS;
	if (!has_users(client, live))
		return "users: expected others than there are";
	if (applied && (!secret_known(applied, client->user, client->secret) ||
			!secret_known(applied, client->mutual_user,
				      client->mutual_secret)))
		return "secret: not known to be the one in fleet.conf";
	*ret_kind = WORK_ACCESS;
	if (!has_access(pool, client, live))
		return "addresses and names: expected others than there are";
	return NULL;
}

static struct work *add_work(struct plan *plan)
{
	plan->works = pool_grow(&plan->pool, plan->works, plan->n,
				sizeof *plan->works);
	return &plan->works[plan->n++];
}

bool plan_ends_session(const struct live_target *target)
{
	return target->lun.lost && target->n_connections;
}

const char *plan_logged_in(struct pool *pool, const struct work *work,
			   const struct live_connection *list, size_t n)
{
	const char *who = plan_initiators(pool, list, n);

	return work->reset
		       ? pool_printf(
				 pool,
				 "logged in: %s; shut it down, then type `tgt-glue reset %s\'",
				 who, work->name)
		       : pool_printf(
				 pool,
				 "logged in: %s; shut it down, then type `tgt-glue apply\', or end its session with `tgt-glue apply --force %s\'",
				 who, work->name);
}

/* Notes why a target that is in use is left, unless force names it or its
 * sessions are to end. */
static void leave_if_in_use(struct plan *plan, struct work *work,
			    const char *force)
{
	const struct live_target *live = work->live;

	work->force = (force && !strcmp(force, work->name)) ||
		      (live && !work->reset && plan_ends_session(live));
	if (live && live->n_connections && !work->force)
		work->left =
			plan_logged_in(&plan->pool, work, live->connections,
				       live->n_connections);
}

/* What is the matter that a reopen puts right; null: nothing. */
static const char *needs_reopen(const struct live_lun *lun)
{
	if (!lun->exists)
		return NULL;
	if (!lun->path)
		return "tgtd has no file for it";
	if (lun->file == FILE_LOST)
		return "the mount of tgtd's file is gone";
	return lun->online ? NULL : "it is offline";
}

/* The target as it is after that. */
static struct live_target reopened(const struct fleet *fleet,
				   const struct live_target *target)
{
	struct live_target as = *target;

	if (needs_reopen(&target->lun)) {
		as.lun.path = files_path(fleet, target);
		as.lun.online = true;
		as.lun.file = FILE_UNKNOWN;
	}
	return as;
}

/* Why another target that has the client's number keeps it from being made, or
 * null. */
static const char *number_is_taken(struct plan *plan,
				   const struct client *client,
				   const struct live_target *other)
{
	if (!other || !strcmp(other->name, client->iqn) || other->ours)
		return NULL;
	return pool_printf(
		&plan->pool,
		"number %u belongs to target %s, which is not of this fleet; write `tid = NUMBER' under [client %s] in fleet.conf, then type `tgt-glue apply'",
		client->tid, other->name, client->name);
}

static void plan_client(struct plan *plan, struct fleet *fleet,
			struct live *live, const struct applied *applied,
			struct client *client, const struct wishes *wishes,
			const char *skip)
{
	bool reset = strings_have(&wishes->reset, client->name);
	struct live_target *target = live_target(live, client->iqn);
	enum work_kind kind = WORK_NEW;
	const char *why = "new";
	struct live_target as;
	struct work *work;

	if (target) {
		as = reopened(fleet, target);
		why = plan_difference(&plan->pool, fleet, client, &as, applied,
				      &kind);
	}
	if (target && !reset && plan_ends_session(target)) {
		kind = WORK_REMAKE;
		why = "answered writes may be lost: the mount was made anew";
	}
	if (target && reset && kind != WORK_REMAKE) {
		kind = WORK_REMAKE;
		why = "reset";
	}
	if (!why && client->blocked) {
		kind = WORK_NONE;
		why = "it is as it should be";
	}
	if (!why || (wishes->only && !reset))
		return;
	work = add_work(plan);
	*work = (struct work){ .kind = kind,
			       .name = client->name,
			       .client = client,
			       .live = target,
			       .why = why,
			       .reset = reset };
	work->failed =
		skip ? skip
		     : number_is_taken(
			       plan, client,
			       live_target_by_tid(live, (int32_t)client->tid));
	if (!work->failed)
		leave_if_in_use(plan, work, wishes->force);
	if (!work->failed && !work->left && client->blocked &&
	    (kind == WORK_NEW || kind == WORK_REMAKE || kind == WORK_NONE))
		work->left = client->blocked;
}

static struct work *add_removal(struct plan *plan, struct live_target *target,
				const char *name, const char *why,
				const char *force)
{
	struct work *work = add_work(plan);

	*work = (struct work){
		.kind = WORK_REMOVE, .name = name, .live = target, .why = why
	};
	leave_if_in_use(plan, work, force);
	return work;
}

/* The client of this fleet whose disk a target of ours exports for writing
 * under another name than the client's, or null. */
static const struct client *successor_of(const struct fleet *fleet,
					 const struct live_target *target)
{
	return target->ours && !fleet_client_by_iqn(fleet, target->name)
		       ? exports_writable(target)
		       : NULL;
}

/* A target of ours that fleet.conf does not name any more. */
static void plan_removal(struct plan *plan, const struct fleet *fleet,
			 const struct shard *shard, struct live_target *target,
			 const char *force)
{
	const struct client *successor = successor_of(fleet, target);
	const char *why = "not in fleet.conf";

	if (!target->ours || fleet_client_by_iqn(fleet, target->name) ||
	    (successor && successor->shard != shard))
		return;
	if (successor)
		why = pool_printf(&plan->pool, "%s: its disk is target %s now",
				  target->name, successor->iqn);
	add_removal(plan, target,
		    successor ? successor->name : exports_name(target), why,
		    force)
		->successor = successor;
}

static void plan_move(struct plan *plan, const struct shard *shard,
		      const struct client *client, struct live_target *target,
		      const char *force)
{
	const char *why =
		pool_printf(&plan->pool, "it moves from shard %u to %u",
			    shard->number, client->shard->number);
	struct work *work = add_removal(plan, target, client->name, why, force);

	if (strcmp(client->iqn, target->name) != 0)
		work->successor = client;
	if (work->left)
		work->left =
			pool_printf(&plan->pool, "%s (%s)", work->left, why);
}

void plan_moves(const struct fleet *fleet, const struct shard *shard,
		struct live *live, const struct wishes *wishes,
		struct plan *ret)
{
	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; i < live->n; i++) {
		struct live_target *t = &live->targets[i];
		const struct client *c = fleet_client_by_iqn(fleet, t->name);

		if (!c)
			c = successor_of(fleet, t);
		if (c && c->shard != shard)
			plan_move(ret, shard, c, t, wishes->force);
	}
}

static struct work *work_of(const struct plan *plan,
			    const struct live_target *target)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->works[i].live == target)
			return &plan->works[i];
	return NULL;
}

/*
 * Deleting a user takes him from every target that has him.  Is every one of
 * those closed meanwhile?  If not, in words why not.
 */
static const char *user_is_held(struct plan *plan, struct live *live,
				const char *user)
{
	for (size_t i = 0; i < live->n; i++) {
		struct live_target *t = &live->targets[i];
		struct work *work;

		if (!strings_have(&t->accounts, user) &&
		    !same(t->outgoing, user))
			continue;
		work = work_of(plan, t);
		if (!work || work->left || work->failed ||
		    work->kind == WORK_ACCESS || work->kind == WORK_NONE)
			return pool_printf(
				&plan->pool,
				"user %s is in use by target %s; shut its client down or give this one another user, then type `tgt-glue apply\'",
				user, t->name);
	}
	return NULL;
}

static void add_account(struct plan *plan, struct live *live, const char *user,
			const char *secret)
{
	for (size_t i = 0; i < plan->n_accounts; i++)
		if (!strcmp(plan->accounts[i].user, user))
			return;
	plan->accounts = pool_grow(&plan->pool, plan->accounts,
				   plan->n_accounts, sizeof *plan->accounts);
	plan->accounts[plan->n_accounts++] = (struct account_work){
		.user = user,
		.secret = secret,
		.known = strings_have(&live->accounts, user),
	};
}

/* What this work needs done to a user of its client. */
static void plan_user(struct plan *plan, struct live *live,
		      const struct applied *applied, struct work *work,
		      const char *user, const char *secret)
{
	const char *held;

	if (!user || work->left || work->failed)
		return;
	if (strings_have(&live->accounts, user) &&
	    applied_has_secret(applied, user, secret))
		return;
	held = user_is_held(plan, live, user);
	if (held)
		work->left = held;
	else
		add_account(plan, live, user, secret);
}

static bool user_is_wanted(const struct fleet *fleet, const struct shard *shard,
			   const char *user)
{
	for (size_t i = 0; i < fleet->n; i++) {
		const struct client *c = &fleet->clients[i];

		if (c->shard == shard &&
		    (same(c->user, user) || same(c->mutual_user, user)))
			return true;
	}
	return false;
}

/*
 * First who is left: that may take others with it, which share a user, until
 * nothing changes any more.
 */
static void plan_accounts(struct plan *plan, const struct fleet *fleet,
			  const struct shard *shard, struct live *live,
			  const struct applied *applied, bool keep_all)
{
	size_t left_before, left = 0;

	do {
		left_before = left;
		left = 0;
		plan->n_accounts = 0;
		for (size_t i = 0; i < plan->n; i++) {
			struct work *w = &plan->works[i];
			const struct client *c = w->client;

			if (c && w->kind != WORK_ACCESS) {
				plan_user(plan, live, applied, w, c->user,
					  c->secret);
				plan_user(plan, live, applied, w,
					  c->mutual_user, c->mutual_secret);
			}
			left += w->left != NULL;
		}
	} while (left != left_before);
	for (size_t i = 0; !keep_all && i < live->accounts.n; i++) {
		const char *user = live->accounts.v[i];

		if (applied_has_user(applied, user) &&
		    !user_is_wanted(fleet, shard, user) &&
		    !user_is_held(plan, live, user))
			add_account(plan, live, user, NULL);
	}
}

/* Not of targets that are made again, or go: those that are left, too. */
static void plan_reopens(struct plan *plan, const struct fleet *fleet,
			 const struct live *live)
{
	for (size_t i = 0; i < live->n; i++) {
		const struct live_target *t = &live->targets[i];
		const char *why = t->ours ? needs_reopen(&t->lun) : NULL;
		const char *path = files_path(fleet, t);
		const struct work *work = work_of(plan, t);

		if (!why || !path || plan_ends_session(t) ||
		    (work && !work->left && !work->failed &&
		     (work->kind == WORK_REMAKE || work->kind == WORK_REMOVE)))
			continue;
		plan->reopens =
			pool_grow(&plan->pool, plan->reopens, plan->n_reopens,
				  sizeof *plan->reopens);
		plan->reopens[plan->n_reopens++] =
			(struct reopen){ .name = exports_name(t),
					 .live = t,
					 .path = path,
					 .why = why };
	}
}

/*
 * A secret that changes concerns every target whose user it is, also one that
 * is right otherwise.
 */
void plan_make(struct fleet *fleet, const struct shard *shard,
	       struct live *live, const struct applied *applied,
	       const struct wishes *wishes, const char *const *skip,
	       struct plan *ret)
{
	memset(ret, 0, sizeof *ret);
	for (size_t i = 0; !wishes->only && i < live->n; i++)
		plan_removal(ret, fleet, shard, &live->targets[i],
			     wishes->force);
	for (size_t i = 0; i < fleet->n; i++)
		if (fleet->clients[i].shard == shard)
			plan_client(ret, fleet, live, applied,
				    &fleet->clients[i], wishes,
				    skip ? skip[i] : NULL);
	plan_accounts(ret, fleet, shard, live, applied, wishes->only);
	if (!wishes->only)
		plan_reopens(ret, fleet, live);
}

void plan_fini(struct plan *plan)
{
	pool_fini(&plan->pool);
	memset(plan, 0, sizeof *plan);
}

void plan_print(const struct plan *plan, FILE *f)
{
	static const char *const verbs[] = {
		[WORK_ACCESS] = "change who is admitted",
		[WORK_ACCOUNTS] = "change its users",
		[WORK_REMAKE] = "make it again",
		[WORK_NEW] = "make it",
		[WORK_REMOVE] = "remove it",
		[WORK_NONE] = "leave it",
	};

	for (size_t i = 0; i < plan->n; i++) {
		const struct work *w = &plan->works[i];

		print_line(f, "%s: target: %s (%s)%s%s", w->name,
			   verbs[w->kind], w->why,
			   w->failed ? ": cannot: "
			   : w->left ? ": left: "
			   : w->force && w->live && w->live->n_connections
				   ? ", after ending its session"
				   : "",
			   w->failed ? w->failed
			   : w->left ? w->left
				     : "");
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
