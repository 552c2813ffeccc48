/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/applied.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/spare.h"
#include "tgt-glue/targets.h"
#include "tgt-glue/textfile.h"
#include "tgt-glue/values.h"

#define INSTANCE "# of tgtd "
#define USER "# user "
#define TARGET "# target "

/* TARGETS-FILE.applied: tgt-admin reads *.conf alone. */
static const char *state_file(struct applied *applied,
			      const struct shard *shard)
{
	return pool_printf(&applied->pool, "%s.applied", shard->targets_file);
}

static const char *parked_file(struct applied *applied, const char *state)
{
	return pool_printf(&applied->pool, "%s.full", state);
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

/* Does the line say who is admitted? */
static bool is_access(const char *line)
{
	return !strncmp(line, "\tinitiator-", 11) || is_user(line);
}

static void drop(struct applied *applied, const char *iqn)
{
	for (size_t i = 0; i < applied->n; i++)
		if (!strcmp(applied->targets[i].iqn, iqn)) {
			memmove(&applied->targets[i], &applied->targets[i + 1],
				(--applied->n - i) * sizeof *applied->targets);
			return;
		}
}

void applied_set(struct applied *applied, const char *iqn, const char *block)
{
	struct applied_target *target;

	drop(applied, iqn);
	applied->targets = pool_grow(&applied->pool, applied->targets,
				     applied->n, sizeof *applied->targets);
	target = &applied->targets[applied->n++];
	target->iqn = pool_strdup(&applied->pool, iqn);
	target->block = pool_strdup(&applied->pool, block);
}

static void keep_users(struct applied *applied, const char *block)
{
	char user[128];

	for (const char *line = block; *line; line = after_line(line))
		if (is_user(line) && sscanf(line, "\t%*s %127s", user) == 1 &&
		    !strings_have(&applied->users, user))
			strings_add(&applied->pool, &applied->users,
				    pool_strdup(&applied->pool, user));
}

void applied_forget(struct applied *applied, const char *iqn)
{
	for (size_t i = 0; i < applied->n; i++)
		if (!strcmp(applied->targets[i].iqn, iqn))
			keep_users(applied, applied->targets[i].block);
	drop(applied, iqn);
}

void applied_forget_users_but(struct applied *applied,
			      const struct strings *there)
{
	struct strings kept = { 0 };

	for (size_t i = 0; i < applied->users.n; i++)
		if (strings_have(there, applied->users.v[i]))
			strings_add(&applied->pool, &kept, applied->users.v[i]);
	applied->users = kept;
}

static void add_name(struct applied *applied, const char *iqn)
{
	if (!strings_have(&applied->names, iqn))
		strings_add(&applied->pool, &applied->names,
			    pool_strdup(&applied->pool, iqn));
}

/* The lines "# target IQN", and the names of the blocks. */
static void take_names(struct applied *applied, const char *text)
{
	char iqn[IQN_MAX + 1];

	for (; *text; text = after_line(text))
		if (sscanf(text, TARGET "%223[^ \n]", iqn) == 1 ||
		    sscanf(text, "<target %223[^ >\n]>", iqn) == 1)
			add_name(applied, iqn);
}

void applied_keep_names(struct applied *applied, const struct live *live)
{
	struct strings kept = { 0 };

	for (size_t i = 0; i < applied->names.n; i++)
		if (live_target(live, applied->names.v[i]))
			strings_add(&applied->pool, &kept, applied->names.v[i]);
	applied->names = kept;
}

void applied_disown(struct applied *applied, const char *iqn)
{
	struct strings kept = { 0 };

	for (size_t i = 0; i < applied->names.n; i++)
		if (strcmp(applied->names.v[i], iqn) != 0)
			strings_add(&applied->pool, &kept, applied->names.v[i]);
	applied->names = kept;
}

static void parse_users(struct applied *applied, const char *text)
{
	const size_t n = sizeof USER - 1;

	for (; *text; text = after_line(text))
		if (!strncmp(text, USER, n))
			strings_add(&applied->pool, &applied->users,
				    pool_printf(&applied->pool, "%.*s",
						(int)strcspn(text + n, "\n"),
						text + n));
}

void applied_parse(struct applied *applied, const char *text)
{
	static const char start[] = "<target ", end[] = "</target>\n";
	struct pool *pool = &applied->pool;

	parse_users(applied, text);
	while ((text = strstr(text, start))) {
		const char *close = strstr(text, end);
		const char *iqn = text + sizeof start - 1;

		if (!close)
			return;
		close += sizeof end - 1;
		applied_set(
			applied,
			pool_printf(pool, "%.*s", (int)strcspn(iqn, ">"), iqn),
			pool_printf(pool, "%.*s", (int)(close - text), text));
		text = close;
	}
}

/* Did this tgtd start after the targets-file was written? */
static bool started_from_file(const struct shard *shard,
			      const struct tgtd *tgtd)
{
	struct timespec started;
	struct stat st;

	if (stat(shard->targets_file, &st) < 0 ||
	    tgtd_started(tgtd, &started) < 0)
		return false;
	return st.st_mtim.tv_sec < started.tv_sec ||
	       (st.st_mtim.tv_sec == started.tv_sec &&
		st.st_mtim.tv_nsec < started.tv_nsec);
}

int applied_load(const struct shard *shard, const struct tgtd *tgtd,
		 struct applied *ret)
{
	_cleanup_free_ char *instance = NULL, *file = NULL;
	const size_t n = sizeof INSTANCE - 1;
	const char *state;
	int r;

	memset(ret, 0, sizeof *ret);
	state = state_file(ret, shard);
	r = tgtd_instance(tgtd, &instance);
	if (r == 0)
		ret->instance = pool_strdup(&ret->pool, instance);
	if (r == 0)
		r = textfile_read(state, &ret->saved);
	if (r == 0)
		r = targets_read(shard, &file);
	if (r < 0)
		return r;
	take_names(ret, ret->saved);
	take_names(ret, file);
	if (!strncmp(ret->saved, INSTANCE, n) &&
	    !strncmp(ret->saved + n, instance, strlen(instance)) &&
	    ret->saved[n + strlen(instance)] == '\n') {
		applied_parse(ret, ret->saved);
		return 0;
	}
	if (started_from_file(shard, tgtd))
		applied_parse(ret, file);
	return 0;
}

const char *applied_block(const struct applied *applied, const char *iqn)
{
	for (size_t i = 0; i < applied->n; i++)
		if (!strcmp(applied->targets[i].iqn, iqn))
			return applied->targets[i].block;
	return NULL;
}

static bool some_block_says(const struct applied *applied, const char *words)
{
	for (size_t i = 0; i < applied->n; i++)
		if (strstr(applied->targets[i].block, words))
			return true;
	return false;
}

static bool block_has_user(const struct applied *applied, const char *user)
{
	char words[256];

	snprintf(words, sizeof words, "user %s ", user);
	return some_block_says(applied, words);
}

/*
 * Where there is no room for another text the file takes another name, which
 * needs none: what is in no file is not known to be applied.
 */
static int park(struct applied *applied, const char *state)
{
	if (rename(state, parked_file(applied, state)) < 0 && errno != ENOENT)
		return fail_errno(-errno, "%s", state);
	applied->parked = true;
	return 0;
}

/* The text in it is right again. */
static int unpark(struct applied *applied, const char *state)
{
	if (applied->parked && rename(parked_file(applied, state), state) < 0)
		return fail_errno(-errno, "%s.full", state);
	applied->parked = false;
	return 0;
}

static int by_iqn(const void *a, const void *b)
{
	const struct applied_target *x = a, *y = b;

	return strcmp(x->iqn, y->iqn);
}

/* The same text for the same state, in whatever order it came to be. */
static char *print(struct applied *applied, const char *instance)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		abort();
	if (applied->n)
		qsort(applied->targets, applied->n, sizeof *applied->targets,
		      by_iqn);
	fprintf(f, INSTANCE "%s\n", instance);
	for (size_t i = 0; i < applied->users.n; i++)
		if (!block_has_user(applied, applied->users.v[i]))
			fprintf(f, USER "%s\n", applied->users.v[i]);
	for (size_t i = 0; i < applied->names.n; i++)
		if (!applied_block(applied, applied->names.v[i]))
			fprintf(f, TARGET "%s\n", applied->names.v[i]);
	for (size_t i = 0; i < applied->n; i++)
		fputs(applied->targets[i].block, f);
	if (fclose(f) != 0)
		abort();
	return text;
}

int applied_save(const struct shard *shard, const struct tgtd *tgtd,
		 struct applied *applied)
{
	const char *state = state_file(applied, shard);
	_cleanup_free_ char *instance = NULL, *text = NULL;
	int r = tgtd_instance(tgtd, &instance);

	if (r < 0)
		return r;
	text = print(applied, instance);
	if (applied->saved && !strcmp(applied->saved, text))
		return unpark(applied, state);
	r = textfile_write(state, text, 0600, TEXTFILE_ANY_GROUP);
	if (spare_no_room(r))
		return park(applied, state);
	if (r < 0)
		return r;
	unlink(parked_file(applied, state));
	applied->parked = false;
	free(applied->saved);
	applied->saved = steal(text);
	return 0;
}

void applied_fini(struct applied *applied)
{
	pool_fini(&applied->pool);
	free(applied->saved);
	memset(applied, 0, sizeof *applied);
}

/* The next line from *text on that is not about access; "" at the end. */
static const char *next_disk_line(const char **text)
{
	const char *line;

	do {
		line = *text;
		*text = after_line(line);
	} while (is_access(line));
	return line;
}

bool applied_same_disk(const struct applied *applied, const char *iqn,
		       const char *block)
{
	const char *had = applied_block(applied, iqn);

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

/* "incominguser NAME SECRET", and outgoinguser: both end the same. */
bool applied_has_secret(const struct applied *applied, const char *user,
			const char *secret)
{
	char words[256];

	snprintf(words, sizeof words, "user %s %s\n", user, secret);
	return some_block_says(applied, words);
}

bool applied_has_user(const struct applied *applied, const char *user)
{
	return strings_have(&applied->users, user) ||
	       block_has_user(applied, user);
}
