/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that tgtd has open, by the state of the mount, and clients to restart.
 */
#include "config.h"

#include "tgt-glue/tgtd/opened.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/guid.h"
#include "tgt-glue/base/textfile.h"

#define FILE_ENDING ".opened"

enum { KEY_SIZE = 256 };

/* The key of a LUN's state: the IQN for LUN 1, else "IQN/LUN". */
static const char *key_of(const char *iqn, unsigned lun, char key[KEY_SIZE])
{
	if (lun == 1)
		snprintf(key, KEY_SIZE, "%s", iqn);
	else
		snprintf(key, KEY_SIZE, "%s/%u", iqn, lun);
	return key;
}

/* True if tgtd has the target of the key. */
static bool has_target(const struct tgtd_state *live, const char *key)
{
	char iqn[KEY_SIZE];

	snprintf(iqn, sizeof iqn, "%.*s", (int)strcspn(key, "/"), key);
	return tgtd_state_target(live, iqn);
}

static void drop(struct pairs *pairs, const char *iqn)
{
	const size_t n = strlen(iqn);

	for (size_t i = pairs->n; i-- > 0;) {
		const char *key = pairs->v[i].key;

		if (!strncmp(key, iqn, n) && (!key[n] || key[n] == '/'))
			pairs_drop(pairs, key);
	}
}

void opened_forget(struct opened *opened, const char *iqn)
{
	drop(&opened->states, iqn);
	drop(&opened->files, iqn);
}

void opened_note_restart(struct opened *opened, const char *iqn)
{
	strings_add_once(&opened->arena, &opened->restart, iqn);
}

/* *same: the states are of the present instance of tgtd. */
static void parse_line(struct opened *opened, const char *line, bool *same)
{
	char word[256], state[64];

	if (sscanf(line, "# of tgtd %255s", word) == 1)
		*same = !strcmp(word, opened->instance);
	else if (*same && sscanf(line, "opened %255s %63s", word, state) == 2)
		pairs_set(&opened->arena, &opened->states, word, state);
	else if (*same && sscanf(line, "file %255s %63s", word, state) == 2)
		pairs_set(&opened->arena, &opened->files, word, state);
	else if (sscanf(line, "restart %255s", word) == 1)
		opened_note_restart(opened, word);
}

int opened_load(const struct shard *shard, const char *instance,
		struct opened *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = shard_file_read(shard, FILE_ENDING, &text);
	char *rest = text;
	bool same = false;

	memset(ret, 0, sizeof *ret);
	ret->instance = arena_strdup(&ret->arena, instance);
	for (char *line; (line = strsep(&rest, "\n"));)
		parse_line(ret, line, &same);
	return r;
}

int opened_save(const struct shard *shard, const struct opened *opened)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = text_open(&text, &size);
	int r;

	fprintf(f, "# of tgtd %s\n", opened->instance);
	for (size_t i = 0; i < opened->states.n; i++)
		fprintf(f, "opened %s %s\n", opened->states.v[i].key,
			opened->states.v[i].value);
	for (size_t i = 0; i < opened->files.n; i++)
		fprintf(f, "file %s %s\n", opened->files.v[i].key,
			opened->files.v[i].value);
	for (size_t i = 0; i < opened->restart.n; i++)
		fprintf(f, "restart %s\n", opened->restart.v[i]);
	text_close(f);
	r = shard_file_write(shard, FILE_ENDING, text, 0600);
	return r < 0 && !error_is_no_space(r) ? r : 0;
}

void opened_fini(struct opened *opened)
{
	arena_fini(&opened->arena);
	memset(opened, 0, sizeof *opened);
}

/* True if both are state identifiers. */
static bool are_known(const char *a, const char *b)
{
	struct guid id;

	return a && b && guid_parse(a, strlen(a), &id) == 0 &&
	       guid_parse(b, strlen(b), &id) == 0;
}

/* With no file at the path the state is unknown: the next mount may have the
 * same one. */
static bool may_be_lost(const struct tgtd_lun *lun, const char *state)
{
	bool known = are_known(state, lun->mount_state);

	if (lun->readonly || !lun->mount_state)
		return false;
	if (!lun->path || !lun->online || lun->file == FILE_LOST)
		return !known || strcmp(state, lun->mount_state) != 0;
	return lun->file == FILE_RIGHT && known &&
	       strcmp(state, lun->mount_state) != 0;
}

/* Has the LUN another file than the one that its path names now? */
static bool has_other(const struct tgtd_lun *lun, const char *file)
{
	return lun->file == FILE_RIGHT && lun->shared && file &&
	       strtoull(file, NULL, 10) != lun->shared;
}

void opened_set_lost(const struct opened *opened, struct tgtd_state *live)
{
	char key[KEY_SIZE];

	for (size_t i = 0; i < live->n; i++) {
		const struct tgtd_target *t = &live->targets[i];

		for (size_t k = 0; k < t->n_luns; k++) {
			struct tgtd_lun *lun = &t->luns[k];

			key_of(t->name, lun->number, key);
			if (has_other(lun, pairs_get(&opened->files, key)))
				lun->file = FILE_OTHER;
			lun->lost = may_be_lost(
				lun, pairs_get(&opened->states, key));
		}
	}
}

/* A file with lost writes keeps its old state while it has sessions: they must
 * still be ended. */
static void update_target(struct opened *opened, const struct tgtd_target *t)
{
	char key[KEY_SIZE];

	for (size_t i = 0; i < t->n_luns; i++) {
		const struct tgtd_lun *lun = &t->luns[i];

		if (lun->file == FILE_RIGHT && lun->mount_state &&
		    !(lun->lost && t->n_connections))
			pairs_set(&opened->arena, &opened->states,
				  key_of(t->name, lun->number, key),
				  lun->mount_state);
		if (lun->file == FILE_RIGHT && lun->shared)
			pairs_set(&opened->arena, &opened->files,
				  key_of(t->name, lun->number, key),
				  arena_printf(&opened->arena, "%" PRIu64,
					       lun->shared));
	}
}

/* True if it has sessions, and the files of all its disks. */
static bool has_logged_in(const struct tgtd_target *t)
{
	bool has = t && t->n_connections && t->n_luns;

	for (size_t i = 0; has && i < t->n_luns; i++)
		has = !t->luns[i].lost && (t->luns[i].file == FILE_RIGHT ||
					   t->luns[i].file == FILE_UNKNOWN);
	return has;
}

bool opened_ends_sessions(const struct tgtd_target *target)
{
	bool lost = false;

	for (size_t i = 0; i < target->n_luns; i++)
		lost = lost || target->luns[i].lost;
	return lost && target->n_connections;
}

bool opened_to_restart(const struct opened *opened, const char *iqn,
		       const struct tgtd_target *target)
{
	if (target && opened_ends_sessions(target))
		return true;
	return strings_have(&opened->restart, iqn) && !has_logged_in(target);
}

/* iqns: of the clients that the shard serves; it drops all others. */
static void update_restarts(struct opened *opened, const struct strings *iqns,
			    const struct tgtd_state *live)
{
	struct strings kept = { 0 };

	for (size_t i = 0; i < opened->restart.n; i++) {
		const char *iqn = opened->restart.v[i];

		if (strings_have(iqns, iqn) &&
		    opened_to_restart(opened, iqn,
				      tgtd_state_target(live, iqn)))
			strings_add(&opened->arena, &kept, iqn);
	}
	opened->restart = kept;
}

static void keep_targets(struct pairs *pairs, const struct tgtd_state *live)
{
	for (size_t i = pairs->n; i-- > 0;)
		if (!has_target(live, pairs->v[i].key))
			pairs_drop(pairs, pairs->v[i].key);
}

void opened_update(struct opened *opened, const struct strings *iqns,
		   struct tgtd_state *live)
{
	keep_targets(&opened->states, live);
	keep_targets(&opened->files, live);
	opened_set_lost(opened, live);
	for (size_t i = 0; i < live->n; i++)
		if (live->targets[i].ours)
			update_target(opened, &live->targets[i]);
	opened_set_lost(opened, live);
	update_restarts(opened, iqns, live);
}
