/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command watch: a round of apply whenever something changed that may make
 * a difference.  Files are followed (inotify.c); tgtd and the mount, which tell
 * nobody, are looked at each second.
 *
 *     fleet.conf, a secret-file or the store changed  -> a round, files anew
 *     another tgtd than before, or one at last        -> a round
 *     the mount went away, or came                    -> a round
 *     somebody logged out while something was left    -> a round
 *     a session of a client with reset = boot ended   -> a round with resets
 *     the last round failed, or left something        -> a round, later
 *
 * A round reads fleet.conf anew; while that has mistakes the last good fleet
 * stays the one that is wanted.
 */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/config/resolve.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/command/inotify.h"
#include "base/notify.h"
#include "tgt-glue/reconcile/reconcile.h"
#include "tgt-glue/tgtd/sessions.h"
#include "tgt-glue/command/free-space.h"
#include "tgt-glue/command/unseen-sessions.h"

/* Seconds until what failed, or was left, is tried again unasked; and for a
 * tgtd that is not in service yet. */
enum { AGAIN_FAILED = 2, AGAIN_LEFT = 10, STARTING = 30 };

/* What is known of a shard's tgtd. */
struct watched {
	struct sessions sessions;
	char *instance; /* null where none answers; owned */
	int64_t appeared;
};

struct watching {
	const char *config;
	struct fleet fleet; /* the last good one */
	bool loaded;
	struct messages messages;
	struct inotify inotify;
	struct watched shards[SHARDS_MAX]; /* by number */

	bool wanted;   /* a round is */
	bool refused;  /* fleet.conf is: it would remove many targets */
	bool left;     /* the last one left something */
	int64_t again; /* when one is wanted in any case, or 0 */
	dev_t mounted; /* 0 where nothing is */
	int64_t ran;   /* when the last round was */
	/* Targets whose clients are to be restarted, after that round. */
	struct strings restart;
	struct arena restart_pool;
	struct free_space_watch space;
	struct unseen_sessions unseen;
};

static volatile sig_atomic_t stop;

static void on_stop(int signal)
{
	(void)signal;
	stop = 1;
}

/* In seconds, of a clock that is never set: what is done, and when, depends on
 * no other. */
static int64_t now(void)
{
	return sessions_clock();
}

static void say_mistakes(struct watching *w, struct conf *conf)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	char *rest;

	if (!f)
		abort();
	conf_print_mistakes(conf, f);
	if (fclose(f) != 0)
		abort();
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		if (*line)
			messages_print_line(&w->messages, line);
	if (w->loaded)
		messages_print(&w->messages, "%s: the fleet stays as it was",
			       conf->file);
}

static dev_t look_at_mount(const struct watching *w)
{
	struct stat st;

	return client_images_mounted(&w->fleet) &&
			       stat(w->fleet.mount, &st) == 0
		       ? st.st_dev
		       : 0;
}

static bool has_shard(const struct fleet *fleet, unsigned number)
{
	for (size_t i = 0; i < fleet->n_shards; i++)
		if (fleet->shards[i].number == number)
			return true;
	return false;
}

/* Of shards that are no more: nobody is logged in there.  Whose session has
 * ended there stays known. */
static void forget_gone(struct watching *w)
{
	for (unsigned i = 0; i < SHARDS_MAX; i++) {
		struct watched *watched = &w->shards[i];

		if (has_shard(&w->fleet, i))
			continue;
		watched->sessions.n = 0;
		free(watched->instance);
		watched->instance = NULL;
	}
}

static void load_sessions(struct watching *w, const struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->n_shards; i++) {
		const struct shard *shard = &fleet->shards[i];

		if (sessions_load(shard, &w->shards[shard->number].sessions) <
		    0)
			messages_print(&w->messages, "%s", error_text());
	}
}

/* A fleet.conf that cannot be taken: the fleet stays as it was, or is the one
 * that was applied last. */
static void load_last(struct watching *w, struct fleet *bad)
{
	struct fleet fleet;

	w->again = now() + AGAIN_LEFT;
	if (w->loaded)
		return;
	if (fleet_load_good(bad, false, &fleet) < 0) {
		fleet_fini(&fleet);
		return;
	}
	messages_print(&w->messages,
		       "%s: the fleet is the one that was applied last",
		       bad->conf.file);
	load_sessions(w, &fleet);
	w->fleet = fleet;
	w->loaded = true;
}

/* Would it remove many targets?  Said then. */
static bool is_refused(struct watching *w, struct fleet *fleet)
{
	struct reconcile reconcile = { .fleet = fleet,
				       .messages = &w->messages };

	w->refused = reconcile_refuses(&reconcile);
	reconcile_fini(&reconcile);
	return w->refused;
}

/* Reads fleet.conf.  Files are watched before they are read, so that no change
 * is missed. */
static void load(struct watching *w)
{
	struct fleet fleet;
	int r;

	inotify_follow(&w->inotify, w->config, w->loaded ? &w->fleet : NULL);
	r = fleet_load(w->config, NULL, &fleet);
	if (r < 0) {
		if (fleet.conf.n_mistakes)
			say_mistakes(w, &fleet.conf);
		else
			messages_print(&w->messages, "%s", error_text());
		/* A secret-file, or the store, may be what is missing. */
		inotify_follow(&w->inotify, w->config, &fleet);
		load_last(w, &fleet);
		fleet_fini(&fleet);
		return;
	}
	/* One that names other files has to be followed before it is read. */
	if (inotify_follow(&w->inotify, w->config, &fleet)) {
		fleet_fini(&fleet);
		if (fleet_load(w->config, NULL, &fleet) < 0) {
			fleet_fini(&fleet);
			w->wanted = true;
			return;
		}
	}
	if (is_refused(w, &fleet)) {
		load_last(w, &fleet);
		fleet_fini(&fleet);
		return;
	}
	if (w->loaded)
		fleet_fini(&w->fleet);
	else
		load_sessions(w, &fleet);
	w->fleet = fleet;
	w->loaded = true;
	forget_gone(w);
}

static struct client *reset_client(const struct watching *w,
				   const struct session_end *end)
{
	struct client *client = fleet_client_by_iqn(&w->fleet, end->iqn);

	return client && client->reset_boot ? client : NULL;
}

/* Has this end been so for as long as the client has to come back? */
static bool is_ripe(const struct session_end *end)
{
	return now() >= end->when + end->patience;
}

/* The clients that are to be reset now. */
static void take_resets(struct watching *w, struct strings *ret)
{
	for (size_t s = 0; s < SHARDS_MAX; s++)
		for (size_t i = 0; i < w->shards[s].sessions.n_ends; i++) {
			const struct session_end *end =
				&w->shards[s].sessions.ends[i];
			const struct client *client = reset_client(w, end);

			if (client && is_ripe(end))
				strings_add(&w->fleet.conf.arena, ret,
					    client->name);
		}
}

/* Where a shard is no more its sessions are not either. */
static void save_sessions(struct watching *w)
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

/* Wherever it was that the client's session ended. */
static void forget_end(struct watching *w, const char *iqn)
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		sessions_forget_end(&w->shards[i].sessions, iqn);
}

/* Who was reset has a fresh disk for the next boot. */
static void forget_resets(struct watching *w, const struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *work = &pass->plan.works[i];

		if (work->reset && !work->left && !work->failed &&
		    !work->not_reset)
			forget_end(w, work->client->iqn);
	}
}

static size_t logged_in(const struct watching *w)
{
	size_t n = 0;

	for (size_t i = 0; i < SHARDS_MAX; i++)
		n += w->shards[i].sessions.n;
	return n;
}

/* Of the shards that are to have one. */
static unsigned tgtds(const struct watching *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < shard_wanted(&w->fleet); i++)
		n += w->shards[i].instance != NULL;
	return n;
}

static void tell_state(const struct watching *w)
{
	const unsigned n = shard_wanted(&w->fleet), up = tgtds(w);
	char missing[64] = "";

	if (!up)
		snprintf(missing, sizeof missing, "; no tgtd answers");
	else if (up < n)
		snprintf(missing, sizeof missing, "; %u of %u tgtds answer", up,
			 n);
	notify("STATUS=%zu clients, %zu logged in%s%s", w->fleet.n,
	       logged_in(w), missing,
	       w->left ? "; something waits, see the log" : "");
}

static void note_restarts(struct watching *w, const struct reconcile *reconcile)
{
	arena_fini(&w->restart_pool);
	w->restart = (struct strings){ 0 };
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct strings *list = &reconcile->v[i].opened.restart;

		for (size_t k = 0; k < list->n; k++)
			strings_add(&w->restart_pool, &w->restart,
				    arena_strdup(&w->restart_pool, list->v[k]));
	}
	w->ran = now();
}

static void run(struct watching *w)
{
	struct reconcile reconcile = { .fleet = &w->fleet,
				       .messages = &w->messages };
	struct arena *arena = &w->fleet.conf.arena;
	const struct arena_block *mark = arena_mark(arena);
	_cleanup_close_ int lock = reconcile_lock(&w->fleet);
	int r = lock < 0 ? lock : 0, code;

	if (r < 0)
		messages_print(&w->messages, "%s", error_text());
	take_resets(w, &reconcile.options.reset);
	w->mounted = look_at_mount(w);
	if (r == 0)
		r = reconcile_run(&reconcile);
	code = reconcile_exit_code(&reconcile, r);
	for (size_t i = 0; i < reconcile.n; i++)
		forget_resets(w, &reconcile.v[i]);
	save_sessions(w);
	note_restarts(w, &reconcile);
	w->left = code != EXIT_DONE || w->refused;
	w->again = code == EXIT_FAILED ? now() + AGAIN_FAILED
		   : w->left           ? now() + AGAIN_LEFT
				       : 0;
	reconcile_fini(&reconcile);
	arena_release(arena, mark);
	fflush(stdout);
}

/*
 * Another tgtd, or none any more.  One that is not in service yet is being
 * given its targets by tgt-admin, which two cannot do at once.
 */
static void look_at_instance(struct watching *w, struct watched *shard,
			     const struct tgtd *tgtd)
{
	_cleanup_free_ char *instance = NULL;

	if (tgtd && tgtd_instance(tgtd, &instance) < 0)
		return;
	if (tgtd && shard->instance && !strcmp(instance, shard->instance))
		return;
	if (tgtd && !shard->appeared)
		shard->appeared = now();
	if (tgtd && tgtd_ready(tgtd) <= 0 && now() < shard->appeared + STARTING)
		return;
	w->wanted = true;
	free(shard->instance);
	shard->instance = steal(instance);
	shard->appeared = 0;
}

/* One that does not answer is not waited for. */
static bool in_service(struct watching *w)
{
	bool all = true;

	for (size_t i = 0; i < w->fleet.n_shards; i++) {
		const struct shard *shard = &w->fleet.shards[i];
		struct watched *watched = &w->shards[shard->number];
		struct tgtd tgtd;

		if (tgtd_open(shard->control_port, &tgtd) < 0)
			continue;
		look_at_instance(w, watched, &tgtd);
		all = all && watched->instance;
	}
	w->wanted = false;
	return all;
}

static void round_of(struct watching *w)
{
	w->wanted = false;
	w->again = 0;
	messages_next_pass(&w->messages);
	load(w);
	if (w->loaded && in_service(w))
		run(w);
	else if (w->loaded)
		w->again = now() + 1;
	if (w->inotify.incomplete)
		messages_print(
			&w->messages,
			"warning: not all of fleet.conf, secret-files and store can be followed: %s",
			strerror(w->inotify.why));
	tell_state(w);
}

/* Is anybody logged in to it again, be it elsewhere? */
static bool is_back(const struct watching *w, const char *iqn)
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		if (sessions_have(&w->shards[i].sessions, iqn))
			return true;
	return false;
}

static void look_at_ends(struct watching *w, struct sessions *sessions)
{
	for (size_t i = sessions->n_ends; i-- > 0;) {
		const struct session_end *end = &sessions->ends[i];

		if (!reset_client(w, end) || is_back(w, end->iqn))
			sessions_forget_end(sessions, end->iqn);
		else if (is_ripe(end) && !w->again)
			w->wanted = true;
	}
}

static bool has_ended(const struct watching *w, const char *iqn)
{
	for (size_t i = 0; i < SHARDS_MAX; i++)
		if (sessions_have_end(&w->shards[i].sessions, iqn))
			return true;
	return false;
}

/* Ends of sessions that came and went between two looks. */
static void look_for_unseen(struct watching *w)
{
	for (size_t i = 0; i < w->fleet.n; i++) {
		const struct client *c = &w->fleet.clients[i];

		if (c->reset_boot &&
		    unseen_sessions_check(&w->unseen, &w->fleet, c) &&
		    !is_back(w, c->iqn) && !has_ended(w, c->iqn))
			sessions_note_end(&w->shards[c->home->number].sessions,
					  c->iqn, (int64_t)time(NULL));
	}
}

static void look_at_sessions(struct watching *w, struct watched *shard,
			     const struct tgtd *tgtd)
{
	struct tgtd_state live;
	int r = tgtd_state_read(tgtd, &live);

	/* A round ends what hides the sessions. */
	if (r == -EBADMSG && live.strange_tid)
		w->wanted = true;
	if (r == 0)
		sessions_update(&shard->sessions, &w->fleet, &live,
				shard->instance, (int64_t)time(NULL));
	tgtd_state_fini(&live);
}

/* A round notes that a client has logged in anew. */
static void look_for_restarted(struct watching *w,
			       const struct sessions *sessions)
{
	for (size_t i = 0; i < sessions->n; i++)
		if (sessions->v[i].since >= w->ran &&
		    strings_have(&w->restart, sessions->v[i].iqn))
			w->wanted = true;
}

static void look_at_shard(struct watching *w, const struct shard *shard)
{
	struct watched *watched = &w->shards[shard->number];
	struct tgtd tgtd;
	bool there = tgtd_open(shard->control_port, &tgtd) == 0;

	if (there || watched->instance)
		look_at_instance(w, watched, there ? &tgtd : NULL);
	if (there && watched->instance)
		look_at_sessions(w, watched, &tgtd);
	look_for_restarted(w, &watched->sessions);
}

static void look_at_shards(struct watching *w)
{
	size_t before = logged_in(w), after;

	for (size_t i = 0; i < w->fleet.n_shards; i++)
		look_at_shard(w, &w->fleet.shards[i]);
	look_for_unseen(w);
	for (size_t i = 0; i < SHARDS_MAX; i++)
		look_at_ends(w, &w->shards[i].sessions);
	save_sessions(w);
	after = logged_in(w);
	w->wanted = w->wanted || (w->left && after < before);
	if (after != before)
		tell_state(w);
}

/* What nobody tells of. */
static void look(struct watching *w)
{
	look_at_shards(w);
	free_space_check(&w->space, &w->fleet);
	if (look_at_mount(w) != w->mounted)
		w->wanted = true;
	if (w->again && now() >= w->again)
		w->wanted = true;
}

static void catch_signals(void)
{
	/* They end what waits. */
	const struct sigaction action = { .sa_handler = on_stop };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

int command_watch(const struct command_line *line)
{
	struct watching w = { .config = line->config };

	catch_signals();
	round_of(&w);
	notify("READY=1");
	while (!stop) {
		if (inotify_wait(&w.inotify))
			w.wanted = true;
		if (stop)
			break;
		if (w.loaded)
			look(&w);
		else if (now() >= w.again)
			w.wanted = true;
		if (w.wanted)
			round_of(&w);
		notify_alive();
	}
	notify("STOPPING=1");
	inotify_fini(&w.inotify);
	messages_fini(&w.messages);
	arena_fini(&w.restart_pool);
	unseen_sessions_fini(&w.unseen);
	if (w.loaded)
		fleet_fini(&w.fleet);
	for (size_t i = 0; i < SHARDS_MAX; i++) {
		sessions_fini(&w.shards[i].sessions);
		free(w.shards[i].instance);
	}
	return EXIT_DONE;
}
