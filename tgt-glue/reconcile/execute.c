/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Execution of a plan in the running tgtd.
 *
 * INVARIANT: whichever step is the last one, no target admits an initiator
 * that it did not admit before and will not admit after.  Two facts about tgtd
 * decide the order: a target without access rules admits no initiator, and a
 * target without an account asks for no secret.
 *
 * ORDER, each step for all targets before the next one:
 *
 *   1. close     remove access rules: all of them, or, where only rules
 *                change, those that are no longer wanted
 *   2. check     skip a target that still has a session, and add its rules
 *                again; also skip what would export the same disk
 *   3. delete    targets that are removed or recreated; then reset images
 *   4. users     delete and create the accounts whose secret changes
 *   5. make      create targets, their disks, the disks' settings; and read
 *                them: tgtd opens a file read-only if it cannot write it
 *   6. bind      bind users to targets
 *   7. open      add the access rules
 *
 * A target that fails stays closed, or does not exist: never without its disk.
 */
#include "config.h"

#include "tgt-glue/reconcile/execute.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/config/acl.h"
#include "tgt-glue/reconcile/boot-resets.h"
#include "tgt-glue/reconcile/image-reset.h"
#include "tgt-glue/reconcile/image-restore.h"
#include "tgt-glue/reconcile/targets-conf.h"

/* Fails the work with the last error. */
static void fail_work(struct plan *plan, struct work *work, const char *what)
{
	work_stop(plan, work, OUTCOME_FAILED, "%s: %s", what, error_text());
}

/* Access rules. */

static int access_rule(struct plan *plan, enum tgtd_op op, int32_t tid,
		       const char *entry)
{
	int r = tgtd_send(plan->tgtd, TGTD_TARGET, op, tid, "%s=%s",
			  acl_key(entry), entry);

	/* tgtd has, or lacks, the rule already. */
	if (r == (op == TGTD_BIND ? -EEXIST : -ENOENT))
		return 0;
	return r;
}

/* Of a target that was not deleted. */
static void restore_rules(struct plan *plan, struct work *work)
{
	if (!work->live || work->absent)
		return;
	for (size_t i = 0; i < work->live->acl.n; i++)
		if (access_rule(plan, TGTD_BIND, work->live->tid,
				work->live->acl.v[i]) < 0)
			fail_work(plan, work, "access");
}

/* 1 */
static void close_target(struct plan *plan, struct work *work)
{
	struct strings kept = { 0 };

	if (work->kind == WORK_ACCESS)
		kept = acl_entries(&plan->arena, work->client);
	for (size_t i = 0; i < work->live->acl.n; i++) {
		const char *entry = work->live->acl.v[i];

		if (strings_have(&kept, entry))
			continue;
		if (access_rule(plan, TGTD_UNBIND, work->live->tid, entry) <
		    0) {
			fail_work(plan, work, "access");
			return;
		}
	}
}

/* 2 */
static void check_sessions(struct plan *plan, struct work *work)
{
	const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };
	struct tgtd_target *live = work->live;
	struct arena *arena = &plan->live->arena;
	int r = tgtd_state_connections(plan->tgtd, arena, live);

	for (int i = 0; work->force && r == 0 && live->n_connections && i < 200;
	     i++) {
		tgtd_state_end_connections(plan->tgtd, live);
		nanosleep(&moment, NULL);
		r = tgtd_state_connections(plan->tgtd, arena, live);
	}
	if (r < 0)
		fail_work(plan, work, "sessions");
	else if (live->n_connections)
		work_skip_logged_in(plan, work);
	else
		return;
	restore_rules(plan, work);
}

/* After 2 and after 3: skips a work whose disk is still exported by a target
 * that was to be removed. */
static void skip_if_exported(struct plan *plan, struct work *work)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct work *w = &plan->works[i];

		if (w->successor != work->client || !work_is_stopped(w) ||
		    w->absent)
			continue;
		work_stop(plan, work, OUTCOME_SKIPPED,
			  "its disk is exported for writing by target %s: %s",
			  w->live->name, w->reason);
		clients_state(plan->clients, work->client)->blocked =
			arena_strdup(plan->clients->arena, work->reason);
		restore_rules(plan, work);
		return;
	}
}

/* 3 */
static void delete_target(struct plan *plan, struct work *work)
{
	int r = tgtd_ask(plan->tgtd, TGTD_TARGET, TGTD_DELETE, work->live->tid,
			 NULL);

	if (r == 0 || r == -ENOENT) {
		work->absent = true;
		return;
	}
	fail_work(plan, work, "deleting the target");
	restore_rules(plan, work);
}

/* No plan checked the image of a client with `reset = boot', for its target is
 * to be closed in any case. */
static int replace_image(struct plan *plan, const struct client *client)
{
	int r = 0;

	if (boot_resets_concern(plan->clients, client))
		r = image_replace_check(plan->clients, client, 0);
	return r < 0 ? r
		     : image_replace_run(plan->clients, client, plan->messages);
}

/* Between 3 and 4.  A client whose image cannot be reset gets its target with
 * the old image; with `reset = boot' it gets no target. */
static void reset_image(struct plan *plan, struct work *work)
{
	int r = work->reset ? replace_image(plan, work->client) : 0;

	if (r < 0 && boot_resets_concern(plan->clients, work->client)) {
		work_stop(
			plan, work, OUTCOME_FAILED,
			"not admitted, for its disk is that of its last session (reset = boot): %s",
			error_text());
	} else if (r < 0) {
		work->outcome = OUTCOME_NOT_RESET;
		work->reason = arena_strdup(&plan->arena, error_text());
	} else if (work->reset &&
		   image_reset_shown(plan->clients, work->client) < 0) {
		fail_work(plan, work, "its fresh image");
	}
}

static bool is_user(const char *user, const char *name)
{
	return user && !strcmp(user, name);
}

/* True if a target that is not closed has the user. */
static bool user_in_use(const struct plan *plan, const char *user)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct work *w = &plan->works[i];

		if (w->live && work_is_stopped(w) && !w->absent &&
		    (strings_have(&w->live->accounts, user) ||
		     is_user(w->live->outgoing, user)))
			return true;
	}
	return false;
}

/* Skips works whose user cannot be changed, and restores their access rules. */
static void skip_users_of(struct plan *plan, const char *user)
{
	for (struct work *w = NULL; (w = work_next(plan, w, KINDS_ALL));) {
		if (!w->client || !client_has_user(w->client, user))
			continue;
		work_stop(
			plan, w, OUTCOME_SKIPPED,
			"user %s is in use by another target; shut its client down or give this one another user, then type `tgt-glue apply'",
			user);
		restore_rules(plan, w);
	}
}

/* 4 */
static void change_user(struct plan *plan, const struct account_work *a)
{
	int r = 0;

	if (user_in_use(plan, a->user)) {
		skip_users_of(plan, a->user);
		return;
	}
	if (a->known)
		r = tgtd_send(plan->tgtd, TGTD_ACCOUNT, TGTD_DELETE,
			      TGTD_NO_TID, "user=%s", a->user);
	if (a->secret && (r == 0 || r == -ENOENT))
		r = tgtd_send(plan->tgtd, TGTD_ACCOUNT, TGTD_NEW, TGTD_NO_TID,
			      "user=%s,password=%s", a->user, a->secret);
	for (size_t i = 0; r < 0 && i < plan->n; i++) {
		struct work *w = &plan->works[i];

		if (w->client && client_has_user(w->client, a->user))
			fail_work(plan, w, "users");
	}
}

/* tgtd's error has no reason, and it opens a file read-only if it cannot write
 * it: tries it here. */
static int try_open(const char *path, bool readonly)
{
	_cleanup_close_ int fd =
		open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	return fd < 0 ? fail_errno(-errno, "%s", path) : 0;
}

static void explain_open(const struct client *client, const char *view)
{
	struct error of_tgtd = *error_last();
	int r = try_open(view, client->readonly);

	if (r < 0)
		fail_errno(r, "%s; %s", of_tgtd.text, view);
}

static int make_disk(struct plan *plan, const struct client *client)
{
	const struct client_state *state = clients_state(plan->clients, client);
	int32_t tid = (int32_t)client->tid;
	int r = tgtd_send(plan->tgtd, TGTD_LUN, TGTD_NEW, tid,
			  "path=%s,bstype=rdwr,blocksize=%u", state->view,
			  state->sector_size);

	if (r < 0) {
		explain_open(client, state->view);
		return r;
	}
	/* Like tgt-admin: a request of its own, before the other settings. */
	if (!client->write_cache)
		r = tgtd_send(plan->tgtd, TGTD_LUN, TGTD_UPDATE, tid,
			      "targetOps %s,", TARGETS_CACHE_OFF);
	if (r < 0)
		return r;
	return tgtd_send(plan->tgtd, TGTD_LUN, TGTD_UPDATE, tid,
			 "targetOps scsi_id=%s,scsi_sn=%s%s%s,",
			 client->scsi_id, client->scsi_sn,
			 client->readonly ? ",readonly=1" : "",
			 client->thin ? ",thin_provisioning=1" : "");
}

static void undo_target(struct plan *plan, struct work *work)
{
	tgtd_ask(plan->tgtd, TGTD_TARGET, TGTD_DELETE,
		 (int32_t)work->client->tid, NULL);
	work->absent = true;
}

/* 5 */
static void make_target(struct plan *plan, struct work *work)
{
	const struct client *client = work->client;
	int r = tgtd_ready(plan->tgtd);

	/* A tgtd that is being stopped ends only when its last target is
	 * deleted. */
	if (r == 0) {
		work_stop(
			plan, work, OUTCOME_SKIPPED,
			"tgtd is being stopped; type `%s' and then `tgt-glue apply'",
			shard_start(plan->shard));
		return;
	}
	if (r > 0)
		r = tgtd_send(plan->tgtd, TGTD_TARGET, TGTD_NEW,
			      (int32_t)client->tid, "targetname=%s",
			      client->iqn);
	if (r < 0) {
		fail_work(plan, work, "making the target");
		return;
	}
	work->absent = false;
	for (const struct pair *p = targets_parameters; r == 0 && p->key; p++)
		r = tgtd_send(plan->tgtd, TGTD_TARGET, TGTD_UPDATE,
			      (int32_t)client->tid, "%s=%s", p->key, p->value);
	if (r == 0)
		r = make_disk(plan, client);
	if (r == 0)
		return;
	fail_work(plan, work, "making its disk");
	undo_target(plan, work);
}

/* 5: deletes targets whose disk is not as wanted. */
static void verify_disks(struct plan *plan, unsigned kinds)
{
	struct tgtd_state now;
	int r = tgtd_state_read(plan->tgtd, &now);

	for (struct work *w = NULL; (w = work_next(plan, w, kinds));) {
		const struct tgtd_target *t =
			r == 0 ? tgtd_state_target(&now, w->client->iqn) : NULL;
		const char *why =
			t ? plan_disk_difference(&plan->arena, plan->clients,
						 w->client, t)
			  : "tgtd does not have it";

		if (!why)
			continue;
		work_stop(
			plan, w, OUTCOME_FAILED,
			"%s; `tgt-glue apply' tries again, and tgtd's log says more (journalctl -u tgt)",
			why);
		undo_target(plan, w);
	}
	tgtd_state_fini(&now);
}

/* mode: TGTD_ACCOUNT or TGTD_OUTGOING_ACCOUNT. */
static int bind_user(struct plan *plan, enum tgtd_op op, int32_t tid,
		     enum tgtd_mode mode, const char *user)
{
	int r = tgtd_send(plan->tgtd, mode, op, tid, "user=%s", user);

	/* Bound already, or unbound with its account already. */
	return r == (op == TGTD_BIND ? -EEXIST : -ENOENT) ? 0 : r;
}

/* True if step 4 deleted the account, which unbound it from all targets. */
static bool was_deleted(const struct plan *plan, const char *user)
{
	for (size_t i = 0; i < plan->n_accounts; i++)
		if (plan->accounts[i].known &&
		    !strcmp(plan->accounts[i].user, user))
			return true;
	return false;
}

/* 6, of a target that was not recreated: unbinds users that it should not
 * have. */
static int unbind_users(struct plan *plan, const struct work *work)
{
	const struct tgtd_target *live = work->live;
	const struct client *client = work->client;
	int r = 0;

	for (size_t i = 0; r == 0 && i < live->accounts.n; i++)
		if (!is_user(client->user, live->accounts.v[i]) &&
		    !was_deleted(plan, live->accounts.v[i]))
			r = bind_user(plan, TGTD_UNBIND, live->tid,
				      TGTD_ACCOUNT, live->accounts.v[i]);
	if (r == 0 && live->outgoing && !was_deleted(plan, live->outgoing) &&
	    !is_user(client->mutual_user, live->outgoing))
		r = bind_user(plan, TGTD_UNBIND, live->tid,
			      TGTD_OUTGOING_ACCOUNT, live->outgoing);
	return r;
}

/* 6 */
static void bind_users(struct plan *plan, struct work *work)
{
	const struct client *client = work->client;
	int32_t tid = (int32_t)client->tid;
	int r = 0;

	if (work->kind == WORK_ACCOUNTS)
		r = unbind_users(plan, work);
	if (r == 0 && client->user)
		r = bind_user(plan, TGTD_BIND, tid, TGTD_ACCOUNT, client->user);
	if (r == 0 && client->mutual_user)
		r = bind_user(plan, TGTD_BIND, tid, TGTD_OUTGOING_ACCOUNT,
			      client->mutual_user);
	if (r < 0)
		fail_work(plan, work, "users");
}

/* 7 */
static void open_target(struct plan *plan, struct work *work)
{
	struct strings acl = acl_entries(&plan->arena, work->client);
	int r = 0;

	for (size_t i = 0; r == 0 && i < acl.n; i++)
		r = access_rule(plan, TGTD_BIND, (int32_t)work->client->tid,
				acl.v[i]);
	if (r < 0)
		fail_work(plan, work, "access");
}

int execute_reopen(const struct tgtd *tgtd, const struct reopen *reopen)
{
	const struct tgtd_lun *lun = &reopen->live->lun;
	bool needs_file = !lun->path || lun->file == FILE_LOST;
	int32_t tid = reopen->live->tid;
	int r = try_open(reopen->path, lun->readonly);

	if (r == 0 && needs_file && lun->online)
		r = tgtd_send(tgtd, TGTD_LUN, TGTD_UPDATE, tid,
			      "targetOps online=0,");
	if (r < 0)
		return r;
	if (!needs_file)
		return tgtd_send(tgtd, TGTD_LUN, TGTD_UPDATE, tid,
				 "targetOps online=1,");
	return tgtd_send(tgtd, TGTD_LUN, TGTD_UPDATE, tid, "targetOps path=%s,",
			 reopen->path);
}

static void each(struct plan *plan, unsigned kinds,
		 void (*step)(struct plan *, struct work *))
{
	for (struct work *w = NULL; (w = work_next(plan, w, kinds));)
		step(plan, w);
}

static void complete(struct plan *plan, struct work *work)
{
	(void)plan;
	if (work->outcome == OUTCOME_PLANNED)
		work->outcome = OUTCOME_DONE;
}

void execute_plan(struct plan *plan)
{
	const unsigned changed = KIND(WORK_ACCOUNTS) | KIND(WORK_REMAKE);
	const unsigned made = KIND(WORK_REMAKE) | KIND(WORK_NEW);
	const unsigned gone = KIND(WORK_REMAKE) | KIND(WORK_REMOVE);

	each(plan, changed | gone | KIND(WORK_ACCESS), close_target); /* 1 */
	each(plan, changed | gone, check_sessions);                   /* 2 */
	each(plan, made, skip_if_exported);
	each(plan, gone, delete_target); /* 3 */
	each(plan, made, skip_if_exported);
	each(plan, made, reset_image);
	for (size_t i = 0; i < plan->n_accounts; i++)
		change_user(plan, &plan->accounts[i]); /* 4 */
	each(plan, made, make_target);                 /* 5 */
	if (work_next(plan, NULL, made))
		verify_disks(plan, made);
	each(plan, made | changed, bind_users);                      /* 6 */
	each(plan, made | changed | KIND(WORK_ACCESS), open_target); /* 7 */
	each(plan, KINDS_ALL, complete);
}
