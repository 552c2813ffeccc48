/* SPDX-License-Identifier: GPL-2.0-or-later */
/* States of a client's disk: list, find, check. */
#include "config.h"

#include "tgt-glue/reconcile/saved-states.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "chain/chain.h"
#include "chain/parent-cache.h"
#include "format/registry.h"
#include "store/image-names.h"
#include "store/snapshot.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/kept-image.h"
#include "tgt-glue/reconcile/old-images.h"

struct reading {
	struct arena *arena;
	const struct fleet *fleet;
	const struct disk *disk;
	const char *directory; /* of its image, in the store */
	struct saved_states *states;
};

static const char *date_text(struct arena *arena, time_t seconds)
{
	char text[sizeof "2026-01-31T23:59:59Z +10000 years"] = "?";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return arena_strdup(arena, text);
}

/* Sets master, or why. */
static void find_master(const struct reading *reading,
			struct saved_state *state)
{
	const size_t n = strlen(reading->directory);
	char at[PATH_MAX], next[PATH_MAX];
	int r = 0;

	snprintf(at, sizeof at, "%s", state->file);
	for (int i = 0; r == 0 && i <= CHAIN_DEPTH_MAX; i++) {
		r = image_parent_path(reading->fleet, at, next, sizeof next);
		if (r == 0 && (strncmp(next, reading->directory, n) != 0 ||
			       next[n] != '/')) {
			state->master = arena_strdup(reading->arena, next);
			return;
		}
		snprintf(at, sizeof at, "%s", next);
	}
	if (r < 0 && r != -ENODATA)
		state->why = arena_strdup(reading->arena, error_text());
}

static struct saved_state *add(const struct reading *reading,
			       enum saved_state_kind kind, const char *which,
			       const char *file)
{
	struct saved_states *states = reading->states;
	struct saved_state *state;
	struct stat st;

	states->v = arena_grow(reading->arena, states->v, states->n,
			       sizeof *states->v);
	state = &states->v[states->n++];
	*state = (struct saved_state){
		.kind = kind,
		.which = arena_strdup(reading->arena, which),
		.file = arena_strdup(reading->arena, file),
	};
	if (fleet_stat(reading->fleet, file, &st) == 0) {
		state->size = (uint64_t)st.st_blocks * 512;
		state->date = date_text(reading->arena, st.st_mtime);
	}
	find_master(reading, state);
	return state;
}

static void add_snapshot(const struct reading *reading,
			 const struct snapshot *snapshot, const char *kept,
			 bool unrelated)
{
	struct arena *arena = reading->arena;
	const char *file = arena_printf(arena, "%s/%s", reading->directory,
					snapshot->file);
	const bool is_kept = kept && !strcmp(kept, file);
	struct saved_state *state =
		add(reading, is_kept ? STATE_KEPT : STATE_SNAPSHOT,
		    is_kept ? WHICH_KEPT : snapshot->name, file);

	state->snapshot = arena_strdup(arena, snapshot->name);
	state->date = arena_strdup(arena, snapshot->date);
	state->unrelated = unrelated;
	if (snapshot->note)
		state->note = arena_strdup(arena, snapshot->note);
}

static int add_snapshots(const struct reading *reading)
{
	const struct fleet *fleet = reading->fleet;
	const struct disk *disk = reading->disk;
	const char *kept = kept_image_find(reading->arena, fleet, disk);
	struct snapshots all = { 0 };
	struct stat st;
	int r = fleet_stat(fleet, disk->image, &st);

	r = r == -ENOENT
		    ? snapshots_list_missing(&fleet->rootdir, disk->image, &all)
		    : snapshots_list(&fleet->rootdir, disk->image, &all);
	for (size_t i = 0; r == 0 && i < all.n; i++)
		add_snapshot(reading, &all.at[i], kept, false);
	for (size_t i = 0; r == 0 && i < all.n_unrelated; i++)
		add_snapshot(reading, &all.unrelated[i], kept, true);
	snapshots_fini(&all);
	return r;
}

static int add_old_images(const struct reading *reading, int dir)
{
	struct arena *arena = reading->arena;
	struct old_images old = { 0 };
	int r = old_images_read(arena, dir, reading->disk->client->name, &old);

	if (r < 0)
		return fail_errno(r, "%s/%s", reading->fleet->store,
				  reading->directory);
	for (size_t i = 0; i < old.n; i++) {
		const char *name = old.v[i].name;
		struct saved_state *state = add(
			reading, STATE_OLD,
			name + strlen(name) - (STAMP_SIZE - 1),
			arena_printf(arena, "%s/%s", reading->directory, name));

		state->date = date_text(arena, old.v[i].stamp / 1000000);
	}
	return 0;
}

/* Adds the file if it is a snapshot of the client's image in that format. */
static void add_of_format(const struct reading *reading, int dir,
			  const char *file, const char *format)
{
	struct arena *arena = reading->arena;
	const char *image = arena_printf(arena, "%s.%s",
					 reading->disk->client->name, format);
	_cleanup_free_ char *name = snapshot_name_within(image, file);
	_cleanup_free_ char *date = NULL, *note = NULL;
	_cleanup_close_ int fd =
		name ? openat(dir, file, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
		     : -1;
	struct saved_state *state;

	if (fd < 0 || !snapshot_is_marked(fd, image))
		return;
	state = add(reading, STATE_SNAPSHOT,
		    arena_printf(arena, "%s.%s", name, format),
		    arena_printf(arena, "%s/%s", reading->directory, file));
	date = snapshot_mark_value(fd, "date");
	note = snapshot_mark_value(fd, "note");
	if (date)
		state->date = arena_strdup(arena, date);
	if (note && *note)
		state->note = arena_strdup(arena, note);
	state->unrelated = state->other_format = true;
}

static int add_other_formats(const struct reading *reading, int dir_fd)
{
	const char *ending = strrchr(reading->disk->image, '.') + 1;
	_cleanup_closedir_ DIR *dir =
		fdopendir(openat(dir_fd, ".", O_RDONLY | O_CLOEXEC));
	struct dirent *e;

	for (errno = 0; dir && (e = readdir(dir)); errno = 0)
		for (int i = 0; image_formats[i]; i++)
			if (!image_format_is_raw(image_formats[i]) &&
			    strcmp(image_formats[i]->name, ending) != 0)
				add_of_format(reading, dir_fd, e->d_name,
					      image_formats[i]->name);
	return errno ? fail_errno(-errno, "%s/%s", reading->fleet->store,
				  reading->directory)
		     : 0;
}

static int newest_first(const void *pa, const void *pb)
{
	const struct saved_state *a = pa, *b = pb;
	int order;

	if ((a->kind == STATE_NOW) != (b->kind == STATE_NOW))
		return a->kind == STATE_NOW ? -1 : 1;
	order = strcmp(b->date ? b->date : "", a->date ? a->date : "");
	return order ? order : strcmp(b->which, a->which);
}

int saved_states_read(struct arena *arena, const struct fleet *fleet,
		      const struct disk *disk, struct saved_states *ret)
{
	const struct reading reading = { arena, fleet, disk,
					 disk_directory(arena, disk), ret };
	_cleanup_close_ int dir = disk_directory_open(fleet, disk);
	struct stat st;
	int r;

	*ret = (struct saved_states){ 0 };
	if (dir < 0)
		return dir == -ENOENT ? 0
				      : fail_errno(dir, "%s/%s", fleet->store,
						   reading.directory);
	if (fleet_stat(fleet, disk->image, &st) == 0)
		add(&reading, STATE_NOW, WHICH_NOW, disk->image);
	r = add_snapshots(&reading);
	if (r == 0)
		r = add_other_formats(&reading, dir);
	if (r == 0)
		r = add_old_images(&reading, dir);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, newest_first);
	return r;
}

/* The file of the snapshot, in arena; null: out of memory. */
static const char *snapshot_path(struct arena *arena, const struct disk *disk,
				 const char *name)
{
	_cleanup_free_ char *file = snapshot_file_name(disk->image, name);

	return file ? arena_printf(arena, "%s/%s", disk_directory(arena, disk),
				   file)
		    : NULL;
}

const struct saved_state *saved_states_snapshot(struct arena *arena,
						const struct fleet *fleet,
						const struct disk *disk,
						const char *which)
{
	struct saved_state *state = arena_alloc(arena, sizeof *state);
	_cleanup_close_ int fd = -1;

	state->kind = STATE_SNAPSHOT;
	state->which = which;
	state->snapshot = which;
	if (!strcmp(which, WHICH_KEPT)) {
		state->kind = STATE_KEPT;
		state->file = kept_image_find(arena, fleet, disk);
		state->snapshot =
			state->file ? kept_image_snapshot(arena, state->file)
				    : NULL;
	} else if (saved_states_check_name(which) == 0 ||
		   kept_image_number(which)) {
		state->file = snapshot_path(arena, disk, which);
	}
	if (!state->file)
		return NULL;
	fd = root_dir_openat(&fleet->rootdir, state->file,
			     O_RDONLY | O_NONBLOCK);
	return fd >= 0 && snapshot_is_marked(fd, disk->image) ? state : NULL;
}

static bool has_name(const struct saved_state *state, const char *which)
{
	return !strcmp(state->which, which) ||
	       (state->snapshot && !strcmp(state->snapshot, which));
}

const struct saved_state *saved_states_find(const struct saved_states *states,
					    const struct client *client,
					    const char *which)
{
	const struct saved_state *found = NULL, *named = NULL;
	unsigned fitting = 0, n_named = 0;

	for (size_t i = 0; i < states->n; i++) {
		const struct saved_state *state = &states->v[i];

		if (state->kind == STATE_NOW)
			continue;
		if (has_name(state, which)) {
			named = state;
			n_named++;
		}
		if (state->kind != STATE_OLD || !*which ||
		    strncmp(state->which, which, strlen(which)) != 0)
			continue;
		found = state;
		fitting++;
	}
	/* The snapshots pc1@x.vhd.vhdx and pc1@x.vhd. */
	if (n_named > 1) {
		fail(-EINVAL,
		     "expected the name of one earlier state of its disk, found '%s', which %s and another one have; `vhdfs-img delete-snapshot' removes that of the present image",
		     which, named->file);
		return NULL;
	}
	if (n_named || fitting == 1)
		return n_named ? named : found;
	if (!strcmp(which, WHICH_NOW))
		fail(-EINVAL, "%s is the present state of its disk", which);
	else
		fail(-ENOENT,
		     "expected the name of one earlier state of its disk, found '%s'%s; `tgt-glue disks %s' lists them",
		     which, fitting ? ", which fits several" : "",
		     client->name);
	return NULL;
}

/* The WHICH of the file, in the directory of the disk's image, or null. */
static const char *which_of(struct arena *arena, const struct disk *disk,
			    const char *file)
{
	const char *image = name_last(disk->image);
	const size_t len = strlen(image);
	_cleanup_free_ char *snapshot = snapshot_name_within(image, file);
	int64_t stamp;

	if (!strcmp(file, image))
		return WHICH_NOW;
	if (snapshot)
		return arena_strdup(arena, snapshot);
	return *file == '.' && !strncmp(file + 1, image, len) &&
			       file[1 + len] == '.' &&
			       stamp_read(file + len + 2, &stamp)
		       ? arena_strdup(arena, file + len + 2)
		       : NULL;
}

const struct disk *saved_state_owner(struct arena *arena,
				     const struct fleet *fleet,
				     const char *path, const char **ret_which)
{
	const size_t n = (size_t)(name_last(path) - path);

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];

		if (!disk->child || !disk->image ||
		    (size_t)(name_last(disk->image) - disk->image) != n ||
		    strncmp(disk->image, path, n) != 0)
			continue;
		*ret_which = which_of(arena, disk, path + n);
		if (*ret_which)
			return disk;
	}
	return NULL;
}

int saved_state_check(const struct fleet *fleet,
		      const struct saved_state *state)
{
	_cleanup_(parent_cache_free_p) struct parent_cache *cache = NULL;
	struct chain *chain;
	int r = parent_cache_new(&fleet->rootdir, 1, &cache);

	if (r == 0)
		r = chain_open(cache, state->file, CHAIN_NO_LOCK, &chain);
	if (r == 0)
		chain_close(chain);
	return r;
}

int saved_states_check_name(const char *name)
{
	int64_t stamp;

	if (!strcmp(name, WHICH_NOW) || !strcmp(name, WHICH_KEPT) ||
	    kept_image_number(name) || stamp_read(name, &stamp))
		return fail(
			-EINVAL,
			"snapshot name: expected none of \"now\", \"kept\", kept-NUMBER and a date, which tgt-glue uses, found '%s'",
			name);
	return snapshot_check_name(name);
}

int saved_states_check_new_name(const char *name)
{
	if (!strncmp(name, PUBLISH_SNAPSHOT, strlen(PUBLISH_SNAPSHOT)) ||
	    !strncmp(name, BACKUP_SNAPSHOT, strlen(BACKUP_SNAPSHOT)))
		return fail(
			-EINVAL,
			"snapshot name: expected one that does not begin with \"" PUBLISH_SNAPSHOT
			"\" or \"" BACKUP_SNAPSHOT
			"\", which tgt-glue uses, found '%s'",
			name);
	return saved_states_check_name(name);
}
