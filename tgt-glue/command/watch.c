/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command watch: makes a pass, as apply does, after every change that may
 * need one.
 *
 * inotify reports changes of files (inotify.h).  tgtd and the mount report
 * nothing, so watch checks them every second.
 *
 *     CHANGE                                             THEN
 *     fleet.conf, an included file, a secret-file or the
 *     store changed                                      a pass
 *     a tgtd was started, ended or started again         a pass
 *     the mount appeared or disappeared                  a pass
 *     a client logged out, and a target was skipped      a pass
 *     a session of a client with `reset = boot' ended    a pass with its reset
 *     a session of a client that follows ended           a pass  (follow.h)
 *     the last pass failed, or skipped a target          a pass, later
 *
 * A pass reads fleet.conf again.  While fleet.conf has mistakes, or would
 * remove many targets, the last good fleet stays in force.
 */
#include "config.h"

#include "tgt-glue/command/watch-internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/config/resolve.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/command/command.h"
#include "base/notify.h"
#include "store/store.h"
#include "tgt-glue/reconcile/reconcile.h"
#include "tgt-glue/command/watch-ends.h"
#include "tgt-glue/command/watch-events.h"
#include "tgt-glue/command/watch-noticed.h"

/* No decision depends on the time of day: sessions_clock() counts seconds. */
/* Seconds from a pass to the next one, without a change: after a failure, and
 * after a skipped target.  Seconds that a tgtd may take to start. */
enum { RETRY_FAILED = 2, RETRY_SKIPPED = 10, STARTING = 30 };

static volatile sig_atomic_t stop;

static void on_stop(int signal)
{
	(void)signal;
	stop = 1;
}

/* Prints why fleet_load failed. */
static void print_failure(struct watch *w, const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_mistakes; i++)
		messages_print_line(&w->messages, conf->mistakes[i].text);
	if (!conf->n_mistakes)
		messages_print(&w->messages, "%s", error_text());
	else if (w->loaded)
		messages_print(&w->messages, "%s: the fleet stays as it was",
			       conf->file);
}

static dev_t mount_device(const struct watch *w)
{
	struct stat st;

	return client_images_mounted(&w->fleet) &&
			       stat(w->fleet.mount, &st) == 0
		       ? st.st_dev
		       : 0;
}

/* Forgets the sessions of shards that no longer exist.  Ends of sessions stay
 * known: the clients may need a reset. */
static void forget_removed_shards(struct watch *w)
{
	bool exists[SHARDS_MAX] = { 0 };

	for (size_t i = 0; i < w->fleet.n_shards; i++)
		exists[w->fleet.shards[i].number] = true;
	for (unsigned i = 0; i < SHARDS_MAX; i++)
		if (!exists[i]) {
			w->shards[i].sessions.n = 0;
			w->shards[i].in_service = false;
		}
}

static void load_sessions(struct watch *w, const struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n_shards; i++) {
		const struct shard *shard = &fleet->shards[i];

		if (sessions_load(shard, &w->shards[shard->number].sessions) <
		    0)
			messages_print(&w->messages, "%s", error_text());
	}
}

static void close_images(struct watch *w)
{
	if (w->images)
		store_close(w->images);
	w->images = NULL;
}

/* Puts the fleet in force.  The one before is in *fleet then. */
static void use_fleet(struct watch *w, struct fleet *fleet)
{
	const struct fleet before = w->fleet;
	const bool first = !w->loaded;

	if (first)
		load_sessions(w, fleet);
	/* It may have another store. */
	close_images(w);
	w->fleet = *fleet;
	*fleet = before;
	w->loaded = true;
	forget_removed_shards(w);
	if (!first)
		return;
	watch_events_load(w);
	watch_noticed_load(w);
	if (samples_load(&w->fleet, &w->samples) < 0)
		messages_print(&w->messages, "%s", error_text());
}

/* fleet.conf is not usable: keeps the fleet in force.  At the start, loads the
 * one that was applied last. */
static void keep_last_fleet(struct watch *w, const struct fleet *bad)
{
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;

	w->retry_at = sessions_clock() + RETRY_SKIPPED;
	if (w->loaded || fleet_load_good(bad, false, &fleet) < 0)
		return;
	messages_print(&w->messages,
		       "%s: using the fleet that was applied last",
		       bad->conf.file);
	use_fleet(w, &fleet);
}

static bool has_all_clients(const struct fleet *fleet, const struct fleet *of)
{
	for (size_t i = 0; i < of->n; i++)
		if (!fleet_client_by_iqn(fleet, of->clients[i].iqn))
			return false;
	return true;
}

/*
 * Whether the fleet would remove many targets; prints a message then.  Every
 * tgtd is asked for its targets, unless the fleet has all clients of the
 * present one: then it removes none.
 */
static bool is_refused(struct watch *w, const struct fleet *fleet)
{
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = fleet, .messages = &w->messages
	};

	if (w->loaded && !w->refused && has_all_clients(fleet, &w->fleet))
		return false;
	w->refused = reconcile_refuses(&reconcile);
	return w->refused;
}

/* Reads fleet.conf.  Files are watched before they are read, so that no change
 * is missed. */
static void load(struct watch *w)
{
	_cleanup_(fleet_fini) struct fleet fleet;

	inotify_follow(&w->inotify, w->config, w->loaded ? &w->fleet : NULL);
	if (fleet_load(w->config, false, &fleet) < 0) {
		print_failure(w, &fleet.conf);
		/* A secret-file, or the store, may be what is missing. */
		inotify_follow(&w->inotify, w->config, &fleet);
		keep_last_fleet(w, &fleet);
		return;
	}
	/* It names other files than before: watch them, and read it again. */
	if (inotify_follow(&w->inotify, w->config, &fleet)) {
		fleet_fini(&fleet);
		if (fleet_load(w->config, false, &fleet) < 0) {
			w->pass_wanted = true;
			return;
		}
	}
	if (is_refused(w, &fleet))
		keep_last_fleet(w, &fleet);
	else
		use_fleet(w, &fleet);
}

/* Saves the sessions of every shard that exists: a retired one ends with its
 * targets-file. */
static void save_sessions(struct watch *w)
{
	for (size_t i = 0; i < w->fleet.n_shards; i++) {
		const struct shard *shard = &w->fleet.shards[i];

		if (shard->retired && access(shard->targets_file, F_OK) < 0)
			continue;
		if (sessions_save(shard, &w->shards[shard->number].sessions) <
		    0)
			messages_print(&w->messages, "%s", error_text());
	}
}

static size_t logged_in(const struct watch *w)
{
	size_t n = 0;

	for (size_t i = 0; i < SHARDS_MAX; i++)
		n += w->shards[i].sessions.n;
	return n;
}

/* Reports the state to systemd. */
static void notify_status(const struct watch *w)
{
	const unsigned n = fleet_active_shards(&w->fleet);
	char missing[64] = "";
	unsigned up = 0;

	for (unsigned i = 0; i < n; i++)
		up += w->shards[i].in_service;
	if (!up)
		snprintf(missing, sizeof missing, "; no tgtd answers");
	else if (up < n)
		snprintf(missing, sizeof missing, "; %u of %u tgtds answer", up,
			 n);
	notify("STATUS=%zu clients, %zu logged in%s%s", w->fleet.n,
	       logged_in(w), missing,
	       w->skipped ? "; targets were skipped, see the log" : "");
}

/* Keeps the lists of clients that a later check needs. */
static void save_lists(struct watch *w, const struct reconcile *reconcile)
{
	arena_fini(&w->pass_arena);
	w->restart = w->followers = (struct strings){ 0 };
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct strings *list = &reconcile->v[i].opened.restart;

		for (size_t k = 0; k < list->n; k++)
			strings_add_once(&w->pass_arena, &w->restart,
					 list->v[k]);
	}
	for (size_t i = 0; i < reconcile->followers.n; i++)
		strings_add_once(&w->pass_arena, &w->followers,
				 reconcile->followers.v[i]);
}

/* Runs the reconciler, with the resets that are due.  lock: of reconcile_lock;
 * if it is negative, why is its error. */
static void run(struct watch *w, int lock, const struct error *why)
{
	struct reconcile reconcile = { .fleet = &w->fleet,
				       .messages = &w->messages,
				       .clients.images = w->images };
	int r = lock < 0 ? lock : 0, code;

	if (r < 0)
		messages_print(&w->messages, "%s", why->text);
	watch_list_resets(w, &reconcile.arena, &reconcile.options.boot);
	watch_list_recent(w, &reconcile.arena, &reconcile.recent);
	w->mount_dev = mount_device(w);
	if (r == 0)
		r = reconcile_run(&reconcile);
	code = command_exit_code(&reconcile, r);
	for (size_t i = 0; i < reconcile.n; i++)
		watch_forget_resets(w, &reconcile.v[i]);
	watch_warn_of_resets(w, &reconcile.not_reset);
	save_sessions(w);
	save_lists(w, &reconcile);
	w->skipped = code != CLI_DONE || w->refused;
	w->retry_at = code == CLI_FAILED ? sessions_clock() + RETRY_FAILED
		      : w->skipped       ? sessions_clock() + RETRY_SKIPPED
					 : 0;
	w->pass_wanted = w->pass_wanted || reconcile.more;
	w->images = steal(reconcile.clients.images);
	reconcile_fini(&reconcile);
	fflush(stdout);
}

/*
 * Notices that a tgtd was started, ended or started again; tgtd null: none
 * answers.  A tgtd that is not in service yet is not changed, because tgt-admin
 * is creating its targets.
 */
static void check_instance(struct watch *w, struct watched_tgtd *shard,
			   const struct tgtd *tgtd)
{
	if (tgtd && shard->in_service &&
	    !strcmp(tgtd->instance, shard->tgtd.instance))
		return;
	if (tgtd && !shard->appeared)
		shard->appeared = sessions_clock();
	if (tgtd && !tgtd->ready &&
	    sessions_clock() < shard->appeared + STARTING)
		return;
	w->pass_wanted = true;
	watch_event_tgtd(w, shard, tgtd);
	shard->in_service = tgtd != NULL;
	if (tgtd)
		shard->tgtd = *tgtd;
	shard->appeared = 0;
}

/* Whether every tgtd that answers is in service.  A tgtd that does not answer
 * does not delay the others. */
static bool all_in_service(struct watch *w)
{
	bool all = true;

	for (size_t i = 0; i < w->fleet.n_shards; i++) {
		const struct shard *shard = &w->fleet.shards[i];
		struct watched_tgtd *watched = &w->shards[shard->number];
		struct tgtd tgtd;

		if (tgtd_open(shard->control_port, &tgtd) < 0)
			continue;
		check_instance(w, watched, &tgtd);
		all = all && watched->in_service;
	}
	/* This is the pass that check_instance wanted for a new tgtd. */
	w->pass_wanted = false;
	return all;
}

/*
 * Takes the lock, and loads fleet.conf under it: a fleet that was loaded before
 * the wait for an apply may be out of date.  The lock is that of the fleet in
 * force, so both are done again if another targets-file is in force then.
 * Returns a descriptor that the caller closes, or -errno and the error in
 * *ret_why.  Without a fleet in force no lock is taken.
 */
static int lock_and_load(struct watch *w, struct error *ret_why)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_close_ int lock = -1;
	const char *locked;

	/* At the start the targets-file is not known before. */
	if (!w->loaded)
		load(w);
	if (!w->loaded)
		return -ENOENT;
	do {
		close_p(&lock);
		locked = arena_strdup(&arena, w->fleet.shards[0].targets_file);
		lock = reconcile_lock(&w->fleet);
		*ret_why = *error_last();
		load(w);
	} while (strcmp(locked, w->fleet.shards[0].targets_file) != 0);
	return steal_fd(&lock);
}

/* Loads fleet.conf, and runs the reconciler unless a tgtd is starting. */
static void make_pass(struct watch *w)
{
	_cleanup_close_ int lock = -1;
	struct error why;

	w->pass_wanted = false;
	w->retry_at = 0;
	messages_next_pass(&w->messages);
	lock = lock_and_load(w, &why);
	if (w->loaded)
		watch_lock_take(&w->lock, &w->fleet);
	if (w->loaded && all_in_service(w))
		run(w, lock, &why);
	else if (w->loaded)
		w->retry_at = sessions_clock() + 1;
	if (w->inotify.incomplete)
		messages_print(
			&w->messages,
			"warning: changes of fleet.conf, of secret-files or of the store may go unnoticed: %s",
			strerror(w->inotify.why));
	notify_status(w);
}

/* Wants a pass where a client that must be restarted has logged in again since
 * the last check: the pass clears that mark. */
static void check_restarted(struct watch *w, const struct sessions *before,
			    const struct tgtd_target *target)
{
	for (size_t i = 0; i < target->n_connections; i++)
		if (strings_have(&w->restart, target->name) &&
		    !sessions_find(before, target->name,
				   &target->connections[i]))
			w->pass_wanted = true;
}

static void check_sessions(struct watch *w, struct watched_tgtd *shard,
			   const struct tgtd *tgtd)
{
	_cleanup_(tgtd_state_fini) struct tgtd_state live;
	int r = tgtd_state_read(tgtd, &live);

	/* A pass ends the session whose name makes the answer unreadable. */
	if (r == -EBADMSG && live.forged_tid)
		w->pass_wanted = true;
	if (r < 0)
		return;
	for (size_t i = 0; i < live.n; i++)
		check_restarted(w, &shard->sessions, &live.targets[i]);
	sessions_update(&shard->sessions, &w->fleet, &live,
			shard->tgtd.instance, (int64_t)time(NULL));
	watch_events_sessions(w, shard, tgtd, &live);
}

static void check_shard(struct watch *w, const struct shard *shard)
{
	struct watched_tgtd *watched = &w->shards[shard->number];
	struct tgtd tgtd;
	bool answers = tgtd_open(shard->control_port, &tgtd) == 0;

	if (answers || watched->in_service)
		check_instance(w, watched, answers ? &tgtd : NULL);
	if (answers && watched->in_service)
		check_sessions(w, watched, &tgtd);
}

static void check_shards(struct watch *w)
{
	size_t before = logged_in(w), after;

	for (size_t i = 0; i < w->fleet.n_shards; i++)
		check_shard(w, &w->fleet.shards[i]);
	watch_check_ends(w);
	save_sessions(w);
	after = logged_in(w);
	w->pass_wanted = w->pass_wanted || (w->skipped && after < before);
	if (after != before)
		notify_status(w);
}

/* Checks what inotify does not report. */
static void check(struct watch *w)
{
	const dev_t mount = mount_device(w);

	check_shards(w);
	watch_check_space(w);
	watch_event_mount(w, mount);
	watch_check_noticed(w);
	if (samples_take(&w->samples, &w->fleet, (int64_t)time(NULL)) < 0)
		messages_print(&w->messages, "%s", error_text());
	if (mount != w->mount_dev)
		w->pass_wanted = true;
	if (w->retry_at && sessions_clock() >= w->retry_at)
		w->pass_wanted = true;
}

static void catch_signals(void)
{
	/* Without SA_RESTART: a signal interrupts the waiting. */
	const struct sigaction action = { .sa_handler = on_stop };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

int command_watch(const struct command_line *line)
{
	struct watch w = { .config = line->config,
			   .fleet = NO_FLEET,
			   .lock = NO_WATCH_LOCK };

	catch_signals();
	make_pass(&w);
	notify("READY=1");
	while (!stop) {
		if (inotify_wait(&w.inotify))
			w.pass_wanted = true;
		if (stop)
			break;
		if (w.loaded)
			check(&w);
		else if (sessions_clock() >= w.retry_at)
			w.pass_wanted = true;
		if (w.pass_wanted)
			make_pass(&w);
		notify_alive();
	}
	notify("STOPPING=1");
	inotify_fini(&w.inotify);
	messages_fini(&w.messages);
	arena_fini(&w.pass_arena);
	unseen_sessions_fini(&w.unseen);
	watch_events_fini(&w);
	watch_noticed_fini(&w);
	samples_fini(&w.samples);
	watch_lock_release(&w.lock);
	close_images(&w);
	fleet_fini(&w.fleet);
	for (size_t i = 0; i < SHARDS_MAX; i++)
		sessions_fini(&w.shards[i].sessions);
	return CLI_DONE;
}
