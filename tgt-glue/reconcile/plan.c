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
#include "tgt-glue/reconcile/targets-conf.h"

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

bool client_has_user(const struct client *client, const char *user)
{
	return same(client->user, user) || same(client->mutual_user, user);
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

/* "a, b", or "none". */
static const char *list_words(struct arena *arena, const struct strings *list)
{
	const char *text = list->n ? list->v[0] : "none";

	for (size_t i = 1; i < list->n; i++)
		text = arena_printf(arena, "%s, %s", text, list->v[i]);
	return text;
}

static const char *users_difference(struct arena *arena,
				    const struct client *client,
				    const struct tgtd_target *live)
{
	return arena_printf(
		arena, "users: expected %s, mutual %s; found %s, mutual %s",
		client->user ? client->user : "none",
		client->mutual_user ? client->mutual_user : "none",
		list_words(arena, &live->accounts),
		live->outgoing ? live->outgoing : "none");
}

static bool has_access(struct arena *arena, const struct client *client,
		       const struct tgtd_target *live)
{
	struct strings wanted = acl_entries(arena, client);

	for (size_t i = 0; i < wanted.n; i++)
		if (!strings_have(&live->acl, wanted.v[i]))
			return false;
	return live->acl.n == wanted.n;
}

static const char *access_difference(struct arena *arena,
				     const struct client *client,
				     const struct tgtd_target *live)
{
	const struct strings wanted = acl_entries(arena, client);

	return arena_printf(arena, "access: expected %s, found %s",
			    list_words(arena, &wanted),
			    list_words(arena, &live->acl));
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
		return "disk: write cache and iSCSI parameters: expected those of fleet.conf, found no record that tgtd has them";
	*ret_kind = WORK_ACCOUNTS;
	if (!has_users(client, live))
		return users_difference(arena, client, live);
	if (last &&
	    (!last_applied_has_secret(last, client->user, client->secret) ||
	     !last_applied_has_secret(last, client->mutual_user,
				      client->mutual_secret)))
		return "secret: expected that of fleet.conf, found no record that tgtd has it";
	*ret_kind = WORK_ACCESS;
	if (!has_access(arena, client, live))
		return access_difference(arena, client, live);
	return NULL;
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

struct work *work_next(const struct plan *plan, const struct work *w,
		       unsigned kinds)
{
	for (size_t i = w ? (size_t)(w - plan->works) + 1 : 0; i < plan->n; i++)
		if (KIND(plan->works[i].kind) & kinds &&
		    !work_is_stopped(&plan->works[i]))
			return &plan->works[i];
	return NULL;
}

void work_skip_logged_in(struct plan *plan, struct work *work)
{
	const char *initiators =
		tgtd_state_initiators(&plan->arena, work->live);

	if (work->reset)
		work_stop(plan, work, OUTCOME_SKIPPED,
			  "logged in: %s; shut it down, then type `%s'",
			  initiators,
			  clients_replace_command(plan->clients, work->client));
	else
		work_stop(
			plan, work, OUTCOME_SKIPPED,
			"logged in: %s; shut it down, then type `tgt-glue apply', or end its session with `tgt-glue apply --force %s'",
			initiators, work->name);
}

/* Adds the work.  A target that has sessions is skipped, unless force names its
 * client or its sessions must be ended. */
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
	if (live && live->n_connections && !work->force)
		work_skip_logged_in(plan, work);
	return work;
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
	as = reopened(plan->clients->fleet, target);
	why = plan_difference(&plan->arena, plan->clients, client, &as,
			      plan->last, ret_kind);
	if (!reset && opened_ends_sessions(target))
		why = "answered writes may be lost: the mount was made anew";
	else if (reset && *ret_kind != WORK_REMAKE)
		why = plan->clients->which  ? "restore"
		      : plan->clients->from ? "rename"
					    : "reset";
	else
		return why;
	*ret_kind = WORK_REMAKE;
	return why;
}

static void plan_client(struct plan *plan, const struct client *client)
{
	const struct client_state *state = clients_state(plan->clients, client);
	const bool reset = strings_have(&plan->options->reset, client->name);
	struct tgtd_target *target = tgtd_state_target(plan->live, client->iqn);
	const struct tgtd_target *holder = number_holder(plan, client);
	enum work_kind kind;
	const char *why = client_difference(plan, client, target, reset, &kind);
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
					     .reset = reset });
	if (state->image_error)
		work_stop(plan, work, OUTCOME_FAILED, "%s", state->image_error);
	else if (holder)
		work_stop(
			plan, work, OUTCOME_FAILED,
			"number %u belongs to target %s, which is not of this fleet; write `tid = NUMBER' under [client %s] in fleet.conf, then type `tgt-glue apply'",
			client->tid, holder->name, client->name);
	if (!work_is_stopped(work) && state->blocked && kind != WORK_ACCESS &&
	    kind != WORK_ACCOUNTS)
		work_stop(plan, work, OUTCOME_SKIPPED, "%s", state->blocked);
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
		    !same(t->outgoing, user))
			continue;
		work = work_of(plan, t);
		if (!work || work_is_stopped(work) ||
		    work->kind == WORK_ACCESS || work->kind == WORK_NONE)
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

			if (c && w->kind != WORK_ACCESS) {
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

/* Not for targets that are deleted; for targets whose work is skipped, too. */
static void plan_reopens(struct plan *plan)
{
	for (size_t i = 0; i < plan->live->n; i++) {
		const struct tgtd_target *t = &plan->live->targets[i];
		const char *why = t->ours ? reopen_reason(&t->lun) : NULL;
		const char *path = backing_files_path(plan->clients->fleet, t);
		const struct work *work = work_of(plan, t);

		if (!why || !path || opened_ends_sessions(t) ||
		    (work && !work_is_stopped(work) &&
		     (work->kind == WORK_REMAKE || work->kind == WORK_REMOVE)))
			continue;
		plan->reopens =
			arena_grow(&plan->arena, plan->reopens, plan->n_reopens,
				   sizeof *plan->reopens);
		plan->reopens[plan->n_reopens++] =
			(struct reopen){ .live = t, .path = path, .why = why };
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
			   exports_name(plan->reopens[i].live),
			   plan->reopens[i].why);
	for (size_t i = 0; i < plan->n_accounts; i++) {
		const struct account_work *a = &plan->accounts[i];

		print_line(f, "user %s: %s", a->user,
			   !a->secret ? "remove"
			   : a->known ? "set its secret again"
				      : "make it");
	}
}
