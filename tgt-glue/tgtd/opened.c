/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that tgtd has open, by the state of the mount, and clients to restart.
 */
#include "config.h"

#include "tgt-glue/tgtd/opened.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/guid.h"
#include "tgt-glue/base/textfile.h"

/* The caller frees it. */
static char *state_file(const struct shard *shard)
{
	char *path;

	if (asprintf(&path, "%s.opened", shard->targets_file) < 0)
		abort();
	return path;
}

static struct opened_file *find(const struct opened *opened, const char *iqn)
{
	for (size_t i = 0; i < opened->n; i++)
		if (!strcmp(opened->files[i].iqn, iqn))
			return &opened->files[i];
	return NULL;
}

static void set(struct opened *opened, const char *iqn, const char *state)
{
	struct opened_file *file = find(opened, iqn);

	if (!file) {
		opened->files = arena_grow(&opened->arena, opened->files,
					   opened->n, sizeof *opened->files);
		file = &opened->files[opened->n++];
		file->iqn = arena_strdup(&opened->arena, iqn);
	}
	file->state = arena_strdup(&opened->arena, state);
}

void opened_forget(struct opened *opened, const char *iqn)
{
	struct opened_file *file = find(opened, iqn);

	if (file)
		*file = opened->files[--opened->n];
}

void opened_note_restart(struct opened *opened, const char *iqn)
{
	if (!strings_have(&opened->restart, iqn))
		strings_add(&opened->arena, &opened->restart,
			    arena_strdup(&opened->arena, iqn));
}

static void parse_line(struct opened *opened, const char *line, bool same)
{
	char iqn[256], state[64];

	if (same && sscanf(line, "opened %255s %63s", iqn, state) == 2)
		set(opened, iqn, state);
	else if (sscanf(line, "restart %255s", iqn) == 1)
		opened_note_restart(opened, iqn);
}

void opened_parse(struct opened *opened, const char *text, const char *instance)
{
	_cleanup_free_ char *copy = strdup(text);
	char *rest = copy, *line, was[128];
	bool same = false;

	if (!copy)
		abort();
	opened->instance = arena_strdup(&opened->arena, instance);
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "# of tgtd %127s", was) == 1)
			same = !strcmp(was, instance);
		else
			parse_line(opened, line, same);
	}
}

int opened_load(const struct shard *shard, const char *instance,
		struct opened *ret)
{
	_cleanup_free_ char *path = state_file(shard), *text = NULL;
	int r = textfile_read(path, &text);

	memset(ret, 0, sizeof *ret);
	if (r == 0)
		opened_parse(ret, text, instance);
	return r;
}

int opened_save(const struct shard *shard, const struct opened *opened)
{
	_cleanup_free_ char *path = state_file(shard), *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int r;

	if (!f)
		abort();
	fprintf(f, "# of tgtd %s\n", opened->instance);
	for (size_t i = 0; i < opened->n; i++)
		fprintf(f, "opened %s %s\n", opened->files[i].iqn,
			opened->files[i].state);
	for (size_t i = 0; i < opened->restart.n; i++)
		fprintf(f, "restart %s\n", opened->restart.v[i]);
	if (fclose(f) != 0)
		abort();
	r = textfile_write(path, text, 0600, TEXTFILE_ANY_GROUP);
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

	if (!lun->exists || lun->readonly || !lun->mount_state)
		return false;
	if (!lun->path || !lun->online || lun->file == FILE_LOST)
		return !known || strcmp(state, lun->mount_state) != 0;
	return lun->file == FILE_RIGHT && known &&
	       strcmp(state, lun->mount_state) != 0;
}

void opened_set_lost(const struct opened *opened, struct tgtd_state *live)
{
	for (size_t i = 0; i < live->n; i++) {
		struct tgtd_target *t = &live->targets[i];
		const struct opened_file *file = find(opened, t->name);

		t->lun.lost = may_be_lost(&t->lun, file ? file->state : NULL);
	}
}

/* A file with lost writes keeps its old state while it has sessions: they must
 * still be ended. */
static void update_target(struct opened *opened, const struct tgtd_target *t)
{
	const struct tgtd_lun *lun = &t->lun;

	if (lun->exists && lun->file == FILE_RIGHT && lun->mount_state &&
	    !(lun->lost && t->n_connections))
		set(opened, t->name, lun->mount_state);
}

static bool has_logged_in(const struct tgtd_target *t)
{
	return t && t->n_connections && !t->lun.lost &&
	       (t->lun.file == FILE_RIGHT || t->lun.file == FILE_UNKNOWN);
}

bool opened_ends_sessions(const struct tgtd_target *target)
{
	return target->lun.lost && target->n_connections;
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

void opened_update(struct opened *opened, const struct strings *iqns,
		   struct tgtd_state *live)
{
	for (size_t i = opened->n; i-- > 0;)
		if (!tgtd_state_target(live, opened->files[i].iqn))
			opened_forget(opened, opened->files[i].iqn);
	opened_set_lost(opened, live);
	for (size_t i = 0; i < live->n; i++)
		if (live->targets[i].ours)
			update_target(opened, &live->targets[i]);
	opened_set_lost(opened, live);
	update_restarts(opened, iqns, live);
}
