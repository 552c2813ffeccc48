/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command watch: a round of apply whenever something changed that may make
 * a difference.  Files are followed (follow.c); tgtd and the mount, which tell
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

#include "tgt-glue/command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/children.h"
#include "tgt-glue/follow.h"
#include "base/notify.h"
#include "tgt-glue/round.h"
#include "tgt-glue/sessions.h"

/* Seconds until what failed, or was left, is tried again unasked; and for a
 * tgtd that is not in service yet. */
enum { AGAIN_FAILED = 2, AGAIN_LEFT = 10, STARTING = 30 };

struct watching {
	const char *config;
	struct fleet fleet; /* the last good one */
	bool loaded;
	struct notes notes;
	struct follow follow;
	struct sessions sessions;

	bool wanted;    /* a round is */
	bool left;      /* the last one left something */
	int64_t again;  /* when one is wanted in any case, or 0 */
	char *instance; /* of tgtd, null where none answers; owned */
	int64_t appeared;
	dev_t mounted; /* 0 where nothing is */
};

static volatile sig_atomic_t stop;

static void on_stop(int signal)
{
	(void)signal;
	stop = 1;
}

static int64_t now(void)
{
	return (int64_t)time(NULL);
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
			notes_say_line(&w->notes, line);
	if (w->loaded)
		notes_say(&w->notes, "%s: the fleet stays as it was",
			  conf->file);
}

static dev_t look_at_mount(const struct watching *w)
{
	struct stat st;

	return children_mounted(&w->fleet) && stat(w->fleet.mount, &st) == 0
		       ? st.st_dev
		       : 0;
}

/* What is to be followed is so before it is read, so no change is missed. */
static void load(struct watching *w)
{
	struct fleet fleet;
	int r;

	follow_start(&w->follow, w->config, w->loaded ? &w->fleet : NULL);
	r = fleet_load(w->config, NULL, &fleet);
	if (r < 0) {
		if (fleet.conf.n_mistakes)
			say_mistakes(w, &fleet.conf);
		else
			notes_say(&w->notes, "%s", error_text());
		/* A secret-file, or the store, may be what is missing. */
		follow_start(&w->follow, w->config, &fleet);
		fleet_fini(&fleet);
		w->again = now() + AGAIN_LEFT;
		return;
	}
	/* One that names other files has to be followed before it is read. */
	if (!follow_same(&w->follow, &fleet)) {
		follow_start(&w->follow, w->config, &fleet);
		fleet_fini(&fleet);
		if (fleet_load(w->config, NULL, &fleet) < 0) {
			fleet_fini(&fleet);
			w->wanted = true;
			return;
		}
	}
	if (w->loaded)
		fleet_fini(&w->fleet);
	else if (sessions_load(&fleet, &w->sessions) < 0)
		notes_say(&w->notes, "%s", error_text());
	w->fleet = fleet;
	w->loaded = true;
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
	for (size_t i = 0; i < w->sessions.n_ends; i++) {
		const struct session_end *end = &w->sessions.ends[i];
		const struct client *client = reset_client(w, end);

		if (client && is_ripe(end))
			strings_add(&w->fleet.conf.pool, ret, client->name);
	}
}

static void save_sessions(struct watching *w)
{
	if (sessions_save(&w->fleet, &w->sessions) < 0)
		notes_say(&w->notes, "%s", error_text());
}

/* Who was reset has a fresh disk for the next boot. */
static void forget_resets(struct watching *w, const struct round *round)
{
	for (size_t i = 0; i < round->plan.n; i++) {
		const struct work *work = &round->plan.works[i];

		if (work->reset && !work->left && !work->failed &&
		    !work->not_reset)
			sessions_forget_end(&w->sessions, work->client->iqn);
	}
	save_sessions(w);
}

static void tell_state(const struct watching *w)
{
	notify("STATUS=%zu clients, %zu logged in%s%s", w->fleet.n,
	       w->sessions.n, w->instance ? "" : "; no tgtd answers",
	       w->left ? "; something waits, see the log" : "");
}

static void run(struct watching *w)
{
	struct round round = { .fleet = &w->fleet, .notes = &w->notes };
	struct pool *pool = &w->fleet.conf.pool;
	const struct pool_piece *mark = pool_mark(pool);
	_cleanup_close_ int lock = round_lock(&w->fleet);
	int r = lock < 0 ? lock : 0, code;

	if (r < 0)
		notes_say(&w->notes, "%s", error_text());
	take_resets(w, &round.wishes.reset);
	w->mounted = look_at_mount(w);
	if (r == 0)
		r = round_run(&round);
	code = round_code(&round, r);
	forget_resets(w, &round);
	w->left = code != EXIT_DONE;
	w->again = code == EXIT_DONE   ? 0
		   : code == EXIT_LEFT ? now() + AGAIN_LEFT
				       : now() + AGAIN_FAILED;
	round_fini(&round);
	pool_release(pool, mark);
	fflush(stdout);
}

/*
 * Another tgtd, or none any more.  One that is not in service yet is being
 * given its targets by tgt-admin, which two cannot do at once.
 */
static void look_at_instance(struct watching *w, const struct tgtd *tgtd)
{
	_cleanup_free_ char *instance = NULL;

	if (tgtd && tgtd_instance(tgtd, &instance) < 0)
		return;
	if (tgtd && w->instance && !strcmp(instance, w->instance))
		return;
	if (tgtd && !w->appeared)
		w->appeared = now();
	if (tgtd && !tgtd_ready(tgtd) && now() < w->appeared + STARTING)
		return;
	w->wanted = true;
	free(w->instance);
	w->instance = steal(instance);
	w->appeared = 0;
}

/* One that does not answer is not waited for. */
static bool in_service(struct watching *w)
{
	struct tgtd tgtd;

	if (tgtd_open(w->fleet.control_port, &tgtd) < 0)
		return true;
	look_at_instance(w, &tgtd);
	w->wanted = false;
	return w->instance;
}

static void round_of(struct watching *w)
{
	w->wanted = false;
	w->again = 0;
	notes_turn(&w->notes);
	load(w);
	if (w->loaded && in_service(w))
		run(w);
	else if (w->loaded)
		w->again = now() + 1;
	if (w->follow.incomplete)
		notes_say(
			&w->notes,
			"warning: not all of fleet.conf, secret-files and store can be followed: %s",
			strerror(w->follow.why));
	tell_state(w);
}

static void look_at_sessions(struct watching *w, const struct tgtd *tgtd)
{
	size_t before = w->sessions.n;
	struct live live;

	if (live_read(tgtd, &live) == 0) {
		sessions_update(&w->sessions, &w->fleet, &live, w->instance,
				now());
		for (size_t i = w->sessions.n_ends; i-- > 0;) {
			const struct session_end *end = &w->sessions.ends[i];

			if (!reset_client(w, end))
				sessions_forget_end(&w->sessions, end->iqn);
			else if (is_ripe(end) && !w->again)
				w->wanted = true;
		}
		save_sessions(w);
	}
	live_fini(&live);
	if (w->sessions.n == before)
		return;
	w->wanted = w->wanted || (w->left && w->sessions.n < before);
	tell_state(w);
}

/* What nobody tells of. */
static void look(struct watching *w)
{
	struct tgtd tgtd;
	bool there = tgtd_open(w->fleet.control_port, &tgtd) == 0;

	if (there || w->instance)
		look_at_instance(w, there ? &tgtd : NULL);
	if (there && w->instance)
		look_at_sessions(w, &tgtd);
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
		if (follow_wait(&w.follow))
			w.wanted = true;
		if (stop)
			break;
		if (w.loaded)
			look(&w);
		else if (now() >= w.again)
			w.wanted = true;
		if (w.wanted)
			round_of(&w);
	}
	notify("STOPPING=1");
	follow_fini(&w.follow);
	sessions_fini(&w.sessions);
	notes_fini(&w.notes);
	if (w.loaded)
		fleet_fini(&w.fleet);
	free(w.instance);
	return EXIT_DONE;
}
