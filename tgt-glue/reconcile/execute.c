/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Execution of a plan in the running tgtd.
 *
 * INVARIANT: whichever step is the last one, no target admits an initiator
 * that it did not admit before and will not admit after.  Three facts about
 * tgtd decide the order: a target without access rules admits no initiator; a
 * target without an account asks for no secret; and a login that was asked for
 * a secret before the account was deleted fails.  A session that is there is
 * asked for nothing, and goes on.
 *
 * ORDER, each step for all targets before the next one:
 *
 *   1. close     remove access rules: all of them, or, where only rules
 *                change, those that are no longer wanted
 *   2. check     skip a target that still has a session, and add its rules
 *                again; also skip what would export the same disk
 *   3. delete    targets that are removed or recreated; then reset images,
 *                and add disks to targets that stay; read these disks: a
 *                target to which one cannot be added stays as it was
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
	int r;

	if (work->sessions_stay && !work->force)
		return;
	r = tgtd_state_connections(plan->tgtd, arena, live);

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
	const bool stays = KIND(work->kind) & WORKS_STAY;

	for (size_t i = 0; i < plan->n; i++) {
		const struct work *w = &plan->works[i];
		const char *why;

		if (w->successor != work->client || !work_is_stopped(w) ||
		    w->absent || (stays && !work_adds_any(work)))
			continue;
		why = arena_printf(
			&plan->arena,
			"its disk is exported for writing by target %s: %s",
			w->live->name, w->reason);
		if (stays) {
			work_stop_disks(plan, work, OUTCOME_SKIPPED, why);
			return;
		}
		work_stop(plan, work, OUTCOME_SKIPPED, "%s", why);
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

/* No plan checked the images of a client with `reset = boot', for its target is
 * to be closed in any case. */
static int replace_image(struct plan *plan, const struct disk *disk)
{
	int r = 0;

	if (boot_resets_concern(plan->clients, plan->options, disk->client))
		r = image_replace_check(plan->clients, disk, 0);
	return r < 0 ? r
		     : image_replace_run(plan->clients, disk, plan->messages);
}

/* Notes what replace_image has changed: a rename, all disks. */
static void note_replaced(const struct plan *plan, const struct disk *disk)
{
	const struct client *client = disk->client;

	clients_disk(plan->clients, disk)->replaced = true;
	for (size_t i = 1; plan->clients->from && i < client->n_disks; i++)
		if (client->disks[i].child)
			clients_disk(plan->clients, &client->disks[i])
				->replaced = true;
}

static void reset_disk(struct plan *plan, struct work *work,
		       const struct disk *disk)
{
	if (replace_image(plan, disk) == 0) {
		note_replaced(plan, disk);
	} else if (disk->reset_boot &&
		   boot_resets_concern(plan->clients, plan->options,
				       work->client)) {
		work_stop(
			plan, work, OUTCOME_FAILED,
			"not admitted, for its disk is that of its last session (reset = boot): %s",
			error_text());
	} else if (plan->clients->from) {
		/* A fresh disk in the place of its own is not wanted. */
		work_stop(plan, work, OUTCOME_FAILED, "%s", error_text());
	} else {
		work->outcome = OUTCOME_NOT_RESET;
		work->reason = arena_strdup(&plan->arena, error_text());
	}
}

/* Between 3 and 4.  A client whose image cannot be reset gets its target with
 * the old image; with `reset = boot', or the name of another, it gets no
 * target. */
static void reset_images(struct plan *plan, struct work *work)
{
	for (size_t i = 0; work->reset && i < work->client->n_disks; i++)
		if (plan_resets(plan->options, &work->client->disks[i]))
			reset_disk(plan, work, &work->client->disks[i]);
}

/* After the images of all works: the mount shows a fresh image a moment after
 * its creation. */
static void check_shown(struct plan *plan, struct work *work)
{
	for (size_t i = 0; work->client && i < work->client->n_disks; i++) {
		const struct disk *disk = &work->client->disks[i];
		struct disk_state *state = clients_disk(plan->clients, disk);

		if (state->replaced &&
		    image_reset_shown(plan->clients, disk) < 0) {
			fail_work(plan, work, "its fresh image");
			return;
		}
		state->replaced = false;
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

static void explain_open(const struct disk *disk, const char *view)
{
	struct error of_tgtd = *error_last();
	int r = try_open(view, disk->readonly);

	if (r < 0)
		fail_errno(r, "%s; %s", of_tgtd.text, view);
}

static struct tgtd_unit unit_of(const struct disk *disk)
{
	return (struct tgtd_unit){ .tid = (int32_t)disk->client->tid,
				   .lun = disk->lun,
				   .device = disk->kind == DISK_CDROM
						     ? TGTD_CD
						     : TGTD_DISK };
}

static int make_disk(struct plan *plan, const struct disk *disk)
{
	const struct disk_state *state = clients_disk(plan->clients, disk);
	const struct tgtd_unit unit = unit_of(disk);
	int r;

	if (disk->kind == DISK_CDROM)
		r = tgtd_send_lun(plan->tgtd, TGTD_NEW, &unit,
				  "path=%s,bstype=rdwr", state->view);
	else
		r = tgtd_send_lun(plan->tgtd, TGTD_NEW, &unit,
				  "path=%s,bstype=rdwr,blocksize=%u",
				  state->view, state->sector_size);
	if (r < 0) {
		explain_open(disk, state->view);
		return r;
	}
	/* Like tgt-admin: a request of its own, before the other settings. */
	if (!disk->write_cache)
		r = tgtd_send_lun(plan->tgtd, TGTD_UPDATE, &unit,
				  "targetOps %s,", TARGETS_CACHE_OFF);
	if (r < 0)
		return r;
	return tgtd_send_lun(plan->tgtd, TGTD_UPDATE, &unit,
			     "targetOps scsi_id=%s,scsi_sn=%s%s%s,",
			     disk->scsi_id, disk->scsi_sn,
			     disk->readonly ? ",readonly=1" : "",
			     disk->thin ? ",thin_provisioning=1" : "");
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
	for (size_t i = 0; r == 0 && i < client->n_disks; i++)
		r = make_disk(plan, &client->disks[i]);
	if (r == 0)
		return;
	fail_work(plan, work, "making its disk");
	undo_target(plan, work);
}

/* Removes the disks that were added, as far as tgtd lets it. */
static void undo_disks(struct plan *plan, struct work *work, const char *why)
{
	for (size_t i = 0; i < work->client->n_disks; i++) {
		const struct disk *disk = &work->client->disks[i];
		const struct tgtd_unit unit = unit_of(disk);

		if (work_adds(work, disk))
			tgtd_delete_lun(plan->tgtd, &unit);
	}
	work_stop_disks(plan, work, OUTCOME_FAILED, why);
}

/* After 3, of a target that stays.  An initiator that scans its disks between
 * the requests of make_disk sees tgtd's ids for this moment: tgtd takes no
 * others in the first one. */
static void add_disks(struct plan *plan, struct work *work)
{
	struct arena *arena = &plan->arena;

	for (size_t i = 0; i < work->client->n_disks; i++) {
		const struct disk *disk = &work->client->disks[i];

		if (!work_adds(work, disk) || make_disk(plan, disk) == 0)
			continue;
		undo_disks(plan, work,
			   arena_printf(arena, "%s: %s",
					disk_title(arena, disk), error_text()));
		return;
	}
}

/* 3 and 5: undoes what made a disk that is not as wanted. */
static void verify_disks(struct plan *plan, unsigned kinds)
{
	struct tgtd_state now;
	int r = tgtd_state_read(plan->tgtd, &now);

	for (struct work *w = NULL; (w = work_next(plan, w, kinds));) {
		const bool stays = KIND(w->kind) & WORKS_STAY;
		const struct tgtd_target *t =
			r == 0 ? tgtd_state_target(&now, w->client->iqn) : NULL;
		const char *why =
			t ? difference_of_disks(&plan->arena, plan->clients,
						w->client, t)
			  : "tgtd does not have it";

		if (!why || (stays && !work_adds_any(w)))
			continue;
		why = arena_printf(
			&plan->arena,
			"%s; `tgt-glue apply' tries again, and tgtd's log says more (journalctl -u tgt)",
			why);
		if (stays) {
			undo_disks(plan, w, why);
		} else {
			work_stop(plan, w, OUTCOME_FAILED, "%s", why);
			undo_target(plan, w);
		}
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
	const struct tgtd_lun *lun = reopen->lun;
	bool needs_file = !lun->path || lun->file == FILE_LOST;
	const struct tgtd_unit unit = { .tid = reopen->live->tid,
					.lun = lun->number };
	int r = try_open(reopen->path, lun->readonly);

	if (r == 0 && needs_file && lun->online)
		r = tgtd_send_lun(tgtd, TGTD_UPDATE, &unit,
				  "targetOps online=0,");
	if (r < 0)
		return r;
	if (!needs_file)
		return tgtd_send_lun(tgtd, TGTD_UPDATE, &unit,
				     "targetOps online=1,");
	return tgtd_send_lun(tgtd, TGTD_UPDATE, &unit, "targetOps path=%s,",
			     reopen->path);
}

static void each(struct plan *plan, unsigned kinds,
		 void (*step)(struct plan *, struct work *))
{
	for (struct work *w = NULL; (w = work_next(plan, w, kinds));)
		step(plan, w);
}

static bool any_adds(const struct plan *plan)
{
	for (struct work *w = NULL; (w = work_next(plan, w, WORKS_STAY));)
		if (work_adds_any(w))
			return true;
	return false;
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
	each(plan, made | WORKS_STAY, skip_if_exported);
	image_resets_begin(plan->clients);
	each(plan, made, reset_images);
	image_resets_end(plan->clients);
	each(plan, made, check_shown);
	each(plan, WORKS_STAY, add_disks);
	if (any_adds(plan))
		verify_disks(plan, WORKS_STAY);
	for (size_t i = 0; i < plan->n_accounts; i++)
		change_user(plan, &plan->accounts[i]); /* 4 */
	each(plan, made, make_target);                 /* 5 */
	if (work_next(plan, NULL, made))
		verify_disks(plan, made);
	each(plan, made | changed, bind_users);                      /* 6 */
	each(plan, made | changed | KIND(WORK_ACCESS), open_target); /* 7 */
	each(plan, KINDS_ALL, complete);
}
