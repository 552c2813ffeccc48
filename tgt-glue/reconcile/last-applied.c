/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Record of what tgtd was last told and does not report. */
#include "config.h"

#include "tgt-glue/reconcile/last-applied.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/base/textfile.h"

/* tgt-admin reads only *.conf. */
#define FILE_ENDING ".applied"
#define PARKED_ENDING ".applied.full"

#define INSTANCE "# of tgtd "
#define USER "# user "
#define NAME "# target "
#define TARGET "<target "
#define STORE "\t<backing-store "
#define INCOMING "\tincominguser "
#define OUTGOING "\toutgoinguser "

static const char *after_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

/* The word after start in the line, or null.  No sscanf: it measures the rest
 * of the text in each line. */
static const char *word_after(struct arena *arena, const char *line,
			      const char *start)
{
	const size_t n = strlen(start);

	return strncmp(line, start, n) != 0
		       ? NULL
		       : arena_printf(arena, "%.*s",
				      (int)strcspn(line + n, " >\n"), line + n);
}

static bool is_user(const char *line)
{
	return !strncmp(line, INCOMING, strlen(INCOMING)) ||
	       !strncmp(line, OUTGOING, strlen(OUTGOING));
}

void last_applied_set(struct last_applied *last, const char *iqn,
		      const char *block)
{
	pairs_set(&last->arena, &last->blocks, iqn, block);
}

/* Notes the users in the block as ours. */
static void keep_users(struct last_applied *last, const char *block)
{
	static const char *const starts[] = { INCOMING, OUTGOING };
	const char *user;

	for (; block && *block; block = after_line(block))
		for (size_t i = 0; i < 2; i++)
			if ((user = word_after(&last->arena, block, starts[i])))
				strings_add_once(&last->arena, &last->users,
						 user);
}

void last_applied_forget(struct last_applied *last, const char *iqn)
{
	keep_users(last, pairs_get(&last->blocks, iqn));
	pairs_drop(&last->blocks, iqn);
}

void last_applied_forget_users(struct last_applied *last, const char *iqn)
{
	const char *line = pairs_get(&last->blocks, iqn), *next;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f;

	if (!line)
		return;
	keep_users(last, line);
	f = text_open(&text, &size);
	for (; *line; line = next) {
		next = after_line(line);
		if (!is_user(line))
			fprintf(f, "%.*s", (int)(next - line), line);
	}
	text_close(f);
	last_applied_set(last, iqn, text);
}

void last_applied_keep(struct last_applied *last,
		       const struct tgtd_state *state)
{
	struct strings users = { 0 }, names = { 0 };

	for (size_t i = 0; i < last->users.n; i++)
		if (strings_have(&state->accounts, last->users.v[i]))
			strings_add(&last->arena, &users, last->users.v[i]);
	for (size_t i = 0; i < last->names.n; i++)
		if (tgtd_state_target(state, last->names.v[i]))
			strings_add(&last->arena, &names, last->names.v[i]);
	last->users = users;
	last->names = names;
}

/* Parses the lines "# target IQN" and "<target IQN>". */
static void parse_names(struct last_applied *last, const char *text)
{
	static const char *const starts[] = { NAME, TARGET };
	const char *iqn;

	for (; *text; text = after_line(text))
		for (size_t i = 0; i < 2; i++)
			if ((iqn = word_after(&last->arena, text, starts[i])))
				strings_add_once(&last->arena, &last->names,
						 iqn);
}

static void parse_users(struct last_applied *last, const char *text)
{
	const char *user;

	for (; *text; text = after_line(text))
		if ((user = word_after(&last->arena, text, USER)))
			strings_add(&last->arena, &last->users, user);
}

void last_applied_parse(struct last_applied *last, const char *text)
{
	static const char end[] = "</target>\n";
	struct arena *arena = &last->arena;
	const char *after;

	parse_users(last, text);
	for (; (text = strstr(text, TARGET)) && (after = strstr(text, end));
	     text = after) {
		after += sizeof end - 1;
		last_applied_set(
			last, word_after(arena, text, TARGET),
			arena_printf(arena, "%.*s", (int)(after - text), text));
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
	_cleanup_free_ char *file = NULL;
	const char *of;
	int r;

	memset(ret, 0, sizeof *ret);
	ret->instance = arena_strdup(&ret->arena, tgtd->instance);
	r = shard_file_read(shard, FILE_ENDING, &ret->saved);
	if (r == 0)
		r = shard_file_read(shard, "", &file);
	if (r < 0)
		return r;
	parse_names(ret, ret->saved);
	parse_names(ret, file);
	of = word_after(&ret->arena, ret->saved, INSTANCE);
	if (of && !strcmp(of, tgtd->instance))
		last_applied_parse(ret, ret->saved);
	else if (started_from_file(shard, tgtd))
		last_applied_parse(ret, file);
	return 0;
}

static bool some_block_says(const struct last_applied *last, const char *words)
{
	for (size_t i = 0; i < last->blocks.n; i++)
		if (strstr(last->blocks.v[i].value, words))
			return true;
	return false;
}

static bool block_has_user(const struct last_applied *last, const char *user)
{
	char words[256];

	snprintf(words, sizeof words, "user %s ", user);
	return some_block_says(last, words);
}

static const char *path_of(struct last_applied *last, const struct shard *shard,
			   const char *ending)
{
	return arena_printf(&last->arena, "%s%s", shard->targets_file, ending);
}

/* On a full file system the file is renamed, which needs no space: a block in
 * no file is not recorded as applied. */
static int park(struct last_applied *last, const struct shard *shard)
{
	const char *file = path_of(last, shard, FILE_ENDING);

	if (rename(file, path_of(last, shard, PARKED_ENDING)) < 0 &&
	    errno != ENOENT)
		return fail_errno(-errno, "%s", file);
	last->parked = true;
	return 0;
}

/* Undoes park: the file's text is right again. */
static int unpark(struct last_applied *last, const struct shard *shard)
{
	const char *parked = path_of(last, shard, PARKED_ENDING);

	if (last->parked &&
	    rename(parked, path_of(last, shard, FILE_ENDING)) < 0)
		return fail_errno(-errno, "%s", parked);
	last->parked = false;
	return 0;
}

/* The record's text: the same for the same state.  The caller frees it. */
static char *format(struct last_applied *last)
{
	struct pairs *blocks = &last->blocks;
	char *text = NULL;
	size_t size;
	FILE *f = text_open(&text, &size);

	pairs_sort(blocks);
	fprintf(f, INSTANCE "%s\n", last->instance);
	for (size_t i = 0; i < last->users.n; i++)
		if (!block_has_user(last, last->users.v[i]))
			fprintf(f, USER "%s\n", last->users.v[i]);
	for (size_t i = 0; i < last->names.n; i++)
		if (!pairs_get(blocks, last->names.v[i]))
			fprintf(f, NAME "%s\n", last->names.v[i]);
	for (size_t i = 0; i < blocks->n; i++)
		fputs(blocks->v[i].value, f);
	text_close(f);
	return text;
}

int last_applied_save(const struct shard *shard, struct last_applied *last)
{
	_cleanup_free_ char *text = format(last);
	int r;

	if (last->saved && !strcmp(last->saved, text))
		return unpark(last, shard);
	r = shard_file_write(shard, FILE_ENDING, text, 0600);
	if (error_is_no_space(r))
		return park(last, shard);
	if (r < 0)
		return r;
	unlink(path_of(last, shard, PARKED_ENDING));
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

bool last_applied_has_parameters(const struct last_applied *last,
				 const char *iqn, const char *parameters)
{
	const char *had = pairs_get(&last->blocks, iqn);
	const size_t n = strlen(parameters);

	return had && !strncmp(had, parameters, n) &&
	       !strncmp(had + n, STORE, strlen(STORE));
}

bool last_applied_has_store(const struct last_applied *last, const char *iqn,
			    const char *store)
{
	const char *had = pairs_get(&last->blocks, iqn);

	return had && strstr(had, store);
}

/* Finds "incominguser NAME SECRET" and "outgoinguser NAME SECRET". */
bool last_applied_has_secret(const struct last_applied *last, const char *user,
			     const char *secret)
{
	char words[256];

	if (!user)
		return true;
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
