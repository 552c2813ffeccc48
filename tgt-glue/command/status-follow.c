/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status --json --follow: notices that something changed, and prints it. */
#include "config.h"

#include "tgt-glue/command/status-follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/command-line.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/base/textfile.h"
#include "tgt-glue/command/status-print.h"
#include "tgt-glue/command/watch-lock.h"

/* How much a reading delays the next one, in times of its processor time. */
enum { REST = 9 };

/* Seconds in which a tgtd answers that serves; a status asks more than once. */
enum { PATIENCE = 5 };

struct follow {
	status_load_fn *load;
	const void *arg;
	json_t *status;     /* as it was printed; null: nothing yet */
	char *state;        /* what was compared at the last reading */
	char *conf;         /* the part of fleet.conf */
	char *samples;      /* the part of the samples */
	int64_t read_at;    /* sessions_clock of the last reading */
	int64_t not_before; /* of the next one, in milliseconds */
	struct mount_probe probe;
};

static volatile sig_atomic_t stop;

static void on_stop(int signal)
{
	(void)signal;
	stop = 1;
}

static int64_t milliseconds(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void add_stamp(FILE *f, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		fprintf(f, "%ju %jd %jd.%09ld %jd.%09ld\n",
			(uintmax_t)st.st_ino, (intmax_t)st.st_size,
			(intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
			(intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
	else
		fputs("none\n", f);
}

static void add_ending(FILE *f, const struct shard *shard, const char *ending)
{
	_cleanup_free_ char *path = NULL;

	if (asprintf(&path, "%s%s", shard->targets_file, ending) >= 0)
		add_stamp(f, path);
}

/* What tgtd says of its targets and of the traffic, unparsed. */
static void add_tgtd(FILE *f, const struct shard *shard)
{
	_cleanup_free_ char *targets = NULL, *traffic = NULL;
	struct tgtd tgtd;

	if (tgtd_open(shard->control_port, &tgtd) < 0 ||
	    tgtd_ask(&tgtd, TGTD_TARGET, TGTD_SHOW, TGTD_NO_TID, &targets) <
		    0 ||
	    tgtd_ask(&tgtd, TGTD_SYSTEM, TGTD_STAT, TGTD_NO_TID, &traffic) <
		    0) {
		fputs("no answer\n", f);
		return;
	}
	fprintf(f, "%s\n%s\n%s\n", tgtd.instance, targets, traffic);
}

/* Adds the directory of the image, which may be null. */
static void note_directory(struct arena *arena, struct strings *list,
			   const struct fleet *fleet, const char *image)
{
	const char *slash = image ? strrchr(image, '/') : NULL;

	if (slash)
		strings_add_once(arena, list,
				 arena_printf(arena, "%s/%.*s", fleet->store,
					      (int)(slash - image), image));
}

static void add_store(FILE *f, const struct fleet *fleet)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct strings list = { 0 };

	for (size_t i = 0; i < fleet->n_disks; i++) {
		note_directory(&arena, &list, fleet, fleet->disks[i].child);
		note_directory(&arena, &list, fleet, fleet->disks[i].master);
	}
	for (size_t i = 0; i < list.n; i++)
		add_stamp(f, list.v[i]);
}

static char *text_of(void (*fill)(FILE *f, const struct fleet *fleet),
		     const struct fleet *fleet)
{
	char *text = NULL;
	size_t size;
	FILE *f = text_open(&text, &size);

	fill(f, fleet);
	text_close(f);
	return text;
}

static void fill_conf(FILE *f, const struct fleet *fleet)
{
	const struct sources *sources = &fleet->conf.sources;

	add_stamp(f, fleet->conf.file);
	/* The first one is fleet.conf. */
	for (size_t i = 1; i < sources->n_files; i++)
		add_stamp(f, sources->files[i].path);
}

static void fill_samples(FILE *f, const struct fleet *fleet)
{
	if (fleet->n_shards)
		add_ending(f, &fleet->shards[0], ".samples");
}

static void fill_state(FILE *f, const struct fleet *fleet)
{
	static const char *const endings[] = { "",         ".applied",
					       ".opened",  ".sessions",
					       ".samples", ".noticed" };

	fill_conf(f, fleet);
	fprintf(f, "watch %d\n", watch_runs(fleet));
	for (size_t i = 0; i < fleet->n_shards; i++) {
		for (size_t k = 0; k < sizeof endings / sizeof *endings; k++)
			add_ending(f, &fleet->shards[i], endings[k]);
		add_tgtd(f, &fleet->shards[i]);
	}
	add_store(f, fleet);
}

/* Puts the text in the place of the one before; returns whether it differs. */
static bool replace(char **before, char *text)
{
	const bool differs = !*before || strcmp(*before, text) != 0;

	free(*before);
	*before = text;
	return differs;
}

/* A growth is that of the last samples, though it falls while time goes by. */
static void keep_pace(const json_t *before, json_t *now)
{
	json_t *clients = json_object_get(now, "clients"), *client;
	size_t i;

	json_object_set(now, "days-until-full",
			json_object_get(before, "days-until-full"));
	json_array_foreach(clients, i, client)
	{
		const json_t *old =
			json_array_get(json_object_get(before, "clients"), i);

		if (json_equal(json_object_get(old, "name"),
			       json_object_get(client, "name")))
			json_object_set(client, "growth",
					json_object_get(old, "growth"));
	}
}

static void print_json(const json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17));

	if (text)
		print_json_text(stdout, text);
	putchar('\n');
	free(text);
}

/* Prints the status, the first time, or its changes. */
static void print_status(struct follow *follow, json_t *now, bool samples)
{
	json_t *list = json_array(), *line;
	size_t i;

	if (!follow->status) {
		json_array_append(list, now);
	} else {
		if (!samples)
			keep_pace(follow->status, now);
		status_changes(follow->status, now, list);
	}
	json_array_foreach(list, i, line) print_json(line);
	json_decref(list);
	json_decref(follow->status);
	follow->status = now;
}

/* Reads the status of the fleet that s has. */
static int read_status(struct follow *follow, struct status *s)
{
	const int64_t began = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
	const bool samples =
		replace(&follow->samples, text_of(fill_samples, &s->fleet));
	json_t *now;

	status_read(s, &follow->probe);
	now = status_json(s);
	if (!now)
		return fail(-ENOMEM, "out of memory");
	print_status(follow, now, samples);
	follow->read_at = sessions_clock();
	follow->not_before =
		milliseconds(CLOCK_BOOTTIME) +
		REST * (milliseconds(CLOCK_PROCESS_CPUTIME_ID) - began);
	return 0;
}

/* Loads fleet.conf, and reads the status.  The state is read first, so that no
 * later change is missed. */
static int look(struct follow *follow, struct status *s)
{
	int r = follow->load(follow->arg, follow->conf != NULL, s);

	if (r < 0)
		return r;
	replace(&follow->conf, text_of(fill_conf, &s->fleet));
	replace(&follow->state, text_of(fill_state, &s->fleet));
	r = read_status(follow, s);
	if (r < 0)
		print_line(stderr, "tgt-glue: %s", error_text());
	return r;
}

/* Waits a second.  False: standard output is closed, or a signal came. */
static bool wait_a_second(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (fflush(stdout) != 0 || ferror(stdout)) {
		/* The reader has ended, which is no failure. */
		clearerr(stdout);
		return false;
	}
	return !stop && poll(&out, 1, 1000) == 0 && !stop;
}

/* Whether the status is to be read again; s: that of the last reading. */
static bool is_due(struct follow *follow, const struct status *s)
{
	if (milliseconds(CLOCK_BOOTTIME) < follow->not_before)
		return false;
	if (sessions_clock() >= follow->read_at + FOLLOW_SECONDS)
		return true;
	return replace(&follow->state, text_of(fill_state, &s->fleet)) ||
	       mount_probe_ask(&follow->probe, &s->fleet) != s->mount;
}

/* Prints a value of the store, which is taken, where it has changed. */
static void tell(struct follow *follow, const char *key, json_t *value)
{
	json_t *line;

	if (!json_equal(value, json_object_get(follow->status, key))) {
		json_object_set(follow->status, key, value);
		line = json_pack("{s:{s:O}}", "store", key, value);
		print_json(line);
		json_decref(line);
	}
	json_decref(value);
}

/* Looks at the free space alone: a busy server changes it each second, which is
 * no reason to read the status. */
static void check_space(struct follow *follow, const struct status *s)
{
	struct free_space space;

	free_space_read(&s->fleet, &space);
	tell(follow, "free", json_integer((json_int_t)space.free));
}

/* Looks again with a status of its own, which takes the place of *s. */
static void look_again(struct follow *follow, struct status *s)
{
	struct status next = { .fleet = NO_FLEET, .now = time(NULL) };
	char *conf = text_of(fill_conf, &s->fleet);
	const bool changed = strcmp(conf, follow->conf) != 0;

	free(conf);
	if (changed) {
		free(follow->conf);
		follow->conf = NULL;
	}
	if (look(follow, &next) < 0) {
		/* The last fleet stays until fleet.conf changes again, but
		 * as one that fleet.conf no longer describes. */
		tell(follow, "mistaken", json_true());
		if (!follow->conf)
			follow->conf = text_of(fill_conf, &s->fleet);
		follow->read_at = sessions_clock();
		status_fini(&next);
		return;
	}
	status_fini(s);
	*s = next;
}

int status_follow(status_load_fn *load, const void *arg)
{
	const struct sigaction action = { .sa_handler = on_stop };
	const struct sigaction ignored = { .sa_handler = SIG_IGN };
	struct follow follow = { .load = load, .arg = arg };
	struct status s = { .fleet = NO_FLEET, .now = time(NULL) };
	int r;

	tgtd_set_patience(PATIENCE);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGPIPE, &ignored, NULL);
	r = look(&follow, &s);
	while (r == 0 && wait_a_second()) {
		check_space(&follow, &s);
		if (is_due(&follow, &s))
			look_again(&follow, &s);
	}
	status_fini(&s);
	json_decref(follow.status);
	mount_probe_fini(&follow.probe);
	free(follow.state);
	free(follow.conf);
	free(follow.samples);
	return r < 0 ? CLI_FAILED : CLI_DONE;
}
