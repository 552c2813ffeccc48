/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Record of what tgtd was last told and does not report. */
#include "config.h"

#include "tgt-glue/reconcile/last-applied.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/base/textfile.h"
#include "tgt-glue/config/values.h"

#define INSTANCE "# of tgtd "
#define USER "# user "
#define TARGET "# target "

/* TARGETS-FILE.applied: tgt-admin reads only *.conf. */
static const char *state_file(struct last_applied *last,
			      const struct shard *shard)
{
	return arena_printf(&last->arena, "%s.applied", shard->targets_file);
}

static const char *parked_file(struct last_applied *last, const char *state)
{
	return arena_printf(&last->arena, "%s.full", state);
}

static const char *after_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

static bool is_user(const char *line)
{
	return !strncmp(line, "\tincominguser ", 14) ||
	       !strncmp(line, "\toutgoinguser ", 14);
}

/* True if the line is an access rule or a user. */
static bool is_access(const char *line)
{
	return !strncmp(line, "\tinitiator-", 11) || is_user(line);
}

static void drop(struct last_applied *last, const char *iqn)
{
	for (size_t i = 0; i < last->n; i++)
		if (!strcmp(last->targets[i].iqn, iqn)) {
			memmove(&last->targets[i], &last->targets[i + 1],
				(--last->n - i) * sizeof *last->targets);
			return;
		}
}

void last_applied_set(struct last_applied *last, const char *iqn,
		      const char *block)
{
	struct last_applied_target *target;

	drop(last, iqn);
	last->targets = arena_grow(&last->arena, last->targets, last->n,
				   sizeof *last->targets);
	target = &last->targets[last->n++];
	target->iqn = arena_strdup(&last->arena, iqn);
	target->block = arena_strdup(&last->arena, block);
}

static void keep_users(struct last_applied *last, const char *block)
{
	char user[128];

	for (const char *line = block; *line; line = after_line(line))
		if (is_user(line) && sscanf(line, "\t%*s %127s", user) == 1 &&
		    !strings_have(&last->users, user))
			strings_add(&last->arena, &last->users,
				    arena_strdup(&last->arena, user));
}

void last_applied_forget(struct last_applied *last, const char *iqn)
{
	for (size_t i = 0; i < last->n; i++)
		if (!strcmp(last->targets[i].iqn, iqn))
			keep_users(last, last->targets[i].block);
	drop(last, iqn);
}

void last_applied_keep_users(struct last_applied *last,
			     const struct strings *accounts)
{
	struct strings kept = { 0 };

	for (size_t i = 0; i < last->users.n; i++)
		if (strings_have(accounts, last->users.v[i]))
			strings_add(&last->arena, &kept, last->users.v[i]);
	last->users = kept;
}

static void add_name(struct last_applied *last, const char *iqn)
{
	if (!strings_have(&last->names, iqn))
		strings_add(&last->arena, &last->names,
			    arena_strdup(&last->arena, iqn));
}

/* Parses the lines "# target IQN" and "<target IQN>".  No sscanf: it measures
 * the rest of the text in each line. */
static void parse_names(struct last_applied *last, const char *text)
{
	static const char *const starts[] = { TARGET, "<target " };

	for (; *text; text = after_line(text))
		for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
			const size_t n = strlen(starts[i]);

			if (!strncmp(text, starts[i], n))
				add_name(last,
					 arena_printf(
						 &last->arena, "%.*s",
						 (int)strcspn(text + n, " >\n"),
						 text + n));
		}
}

void last_applied_keep_names(struct last_applied *last,
			     const struct tgtd_state *live)
{
	struct strings kept = { 0 };

	for (size_t i = 0; i < last->names.n; i++)
		if (tgtd_state_target(live, last->names.v[i]))
			strings_add(&last->arena, &kept, last->names.v[i]);
	last->names = kept;
}

void last_applied_disown(struct last_applied *last, const char *iqn)
{
	struct strings kept = { 0 };

	for (size_t i = 0; i < last->names.n; i++)
		if (strcmp(last->names.v[i], iqn) != 0)
			strings_add(&last->arena, &kept, last->names.v[i]);
	last->names = kept;
}

static void parse_users(struct last_applied *last, const char *text)
{
	const size_t n = sizeof USER - 1;

	for (; *text; text = after_line(text))
		if (!strncmp(text, USER, n))
			strings_add(&last->arena, &last->users,
				    arena_printf(&last->arena, "%.*s",
						 (int)strcspn(text + n, "\n"),
						 text + n));
}

void last_applied_parse(struct last_applied *last, const char *text)
{
	static const char start[] = "<target ", end[] = "</target>\n";
	struct arena *arena = &last->arena;

	parse_users(last, text);
	while ((text = strstr(text, start))) {
		const char *close = strstr(text, end);
		const char *iqn = text + sizeof start - 1;

		if (!close)
			return;
		close += sizeof end - 1;
		last_applied_set(
			last,
			arena_printf(arena, "%.*s", (int)strcspn(iqn, ">"),
				     iqn),
			arena_printf(arena, "%.*s", (int)(close - text), text));
		text = close;
	}
}

/* True if this tgtd was started after the targets-file was written. */
static bool started_from_file(const struct shard *shard,
			      const struct tgtd *tgtd)
{
	const struct timespec *started = &tgtd->started;
	struct stat st;

	if (stat(shard->targets_file, &st) < 0)
		return false;
	return st.st_mtim.tv_sec < started->tv_sec ||
	       (st.st_mtim.tv_sec == started->tv_sec &&
		st.st_mtim.tv_nsec < started->tv_nsec);
}

int last_applied_load(const struct shard *shard, const struct tgtd *tgtd,
		      struct last_applied *ret)
{
	const char *instance = tgtd->instance;
	_cleanup_free_ char *file = NULL;
	const size_t n = sizeof INSTANCE - 1;
	const char *state;
	int r;

	memset(ret, 0, sizeof *ret);
	state = state_file(ret, shard);
	ret->instance = arena_strdup(&ret->arena, instance);
	r = textfile_read(state, &ret->saved);
	if (r == 0)
		r = textfile_read(shard->targets_file, &file);
	if (r < 0)
		return r;
	parse_names(ret, ret->saved);
	parse_names(ret, file);
	if (!strncmp(ret->saved, INSTANCE, n) &&
	    !strncmp(ret->saved + n, instance, strlen(instance)) &&
	    ret->saved[n + strlen(instance)] == '\n') {
		last_applied_parse(ret, ret->saved);
		return 0;
	}
	if (started_from_file(shard, tgtd))
		last_applied_parse(ret, file);
	return 0;
}

const char *last_applied_block(const struct last_applied *last, const char *iqn)
{
	for (size_t i = 0; i < last->n; i++)
		if (!strcmp(last->targets[i].iqn, iqn))
			return last->targets[i].block;
	return NULL;
}

static bool some_block_says(const struct last_applied *last, const char *words)
{
	for (size_t i = 0; i < last->n; i++)
		if (strstr(last->targets[i].block, words))
			return true;
	return false;
}

static bool block_has_user(const struct last_applied *last, const char *user)
{
	char words[256];

	snprintf(words, sizeof words, "user %s ", user);
	return some_block_says(last, words);
}

/* On a full filesystem the file is renamed, which needs no space: a block in
 * no file is not recorded as applied. */
static int park(struct last_applied *last, const char *state)
{
	if (rename(state, parked_file(last, state)) < 0 && errno != ENOENT)
		return fail_errno(-errno, "%s", state);
	last->parked = true;
	return 0;
}

/* Undoes park: the file's text is right again. */
static int unpark(struct last_applied *last, const char *state)
{
	if (last->parked && rename(parked_file(last, state), state) < 0)
		return fail_errno(-errno, "%s.full", state);
	last->parked = false;
	return 0;
}

static int by_iqn(const void *a, const void *b)
{
	const struct last_applied_target *x = a, *y = b;

	return strcmp(x->iqn, y->iqn);
}

/* The record's text: the same for the same state. */
static char *format(struct last_applied *last)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	if (last->n)
		qsort(last->targets, last->n, sizeof *last->targets, by_iqn);
	fprintf(f, INSTANCE "%s\n", last->instance);
	for (size_t i = 0; i < last->users.n; i++)
		if (!block_has_user(last, last->users.v[i]))
			fprintf(f, USER "%s\n", last->users.v[i]);
	for (size_t i = 0; i < last->names.n; i++)
		if (!last_applied_block(last, last->names.v[i]))
			fprintf(f, TARGET "%s\n", last->names.v[i]);
	for (size_t i = 0; i < last->n; i++)
		fputs(last->targets[i].block, f);
	if (fclose(f) != 0)
		abort();
	return text;
}

int last_applied_save(const struct shard *shard, struct last_applied *last)
{
	const char *state = state_file(last, shard);
	_cleanup_free_ char *text = format(last);
	int r;

	if (last->saved && !strcmp(last->saved, text))
		return unpark(last, state);
	r = textfile_write(state, text, 0600, TEXTFILE_ANY_GROUP);
	if (error_is_no_space(r))
		return park(last, state);
	if (r < 0)
		return r;
	unlink(parked_file(last, state));
	last->parked = false;
	free(last->saved);
	last->saved = steal(text);
	return 0;
}

void last_applied_fini(struct last_applied *last)
{
	arena_fini(&last->arena);
	free(last->saved);
	memset(last, 0, sizeof *last);
}

/* The next line from *text on that is no access rule and no user; "" at the
 * end. */
static const char *next_disk_line(const char **text)
{
	const char *line;

	do {
		line = *text;
		*text = after_line(line);
	} while (is_access(line));
	return line;
}

bool last_applied_same_disk(const struct last_applied *last, const char *iqn,
			    const char *block)
{
	const char *had = last_applied_block(last, iqn);

	if (!had)
		return false;
	for (;;) {
		const char *a = next_disk_line(&had);
		const char *b = next_disk_line(&block);
		size_t n = strcspn(a, "\n");

		if (n != strcspn(b, "\n") || strncmp(a, b, n) != 0)
			return false;
		if (!*a)
			return true;
	}
}

/* Finds "incominguser NAME SECRET" and "outgoinguser NAME SECRET". */
bool last_applied_has_secret(const struct last_applied *last, const char *user,
			     const char *secret)
{
	char words[256];

	snprintf(words, sizeof words, "user %s %s\n", user, secret);
	return some_block_says(last, words);
}

bool last_applied_has_users(const struct last_applied *last)
{
	return last->users.n || some_block_says(last, "user ");
}

bool last_applied_has_user(const struct last_applied *last, const char *user)
{
	return strings_have(&last->users, user) || block_has_user(last, user);
}
