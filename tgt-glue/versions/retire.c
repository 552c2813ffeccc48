/* SPDX-License-Identifier: GPL-2.0-or-later */
/* retire: a version of a master is removed. */
#include "config.h"

#include "tgt-glue/versions/retire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "io/io.h"
#include "tgt-glue/config/children.h"
#include "tgt-glue/reconcile/saved-states.h"
#include "tgt-glue/versions/links.h"
#include "tgt-glue/versions/version-events.h"

struct retirement {
	const struct fleet *fleet;
	struct arena arena;
	struct versions versions;
	struct store *images; /* the store's catalog, or null */
};

/* "a, b and 7 others", of at least one. */
static const char *list_names(struct arena *arena, const struct strings *list)
{
	enum { SHOWN = 20 };
	const char *text = list->v[0];

	for (size_t i = 1; i < list->n && i < SHOWN; i++)
		text = arena_printf(arena, "%s, %s", text, list->v[i]);
	return list->n > SHOWN ? arena_printf(arena, "%s and %zu others", text,
					      list->n - SHOWN)
			       : text;
}

static int check_fleet(struct retirement *t, const struct version *version)
{
	struct strings names = { 0 };

	for (size_t i = 0; i < t->fleet->n_disks; i++) {
		const struct disk *disk = &t->fleet->disks[i];
		const char *named = disk->kind == DISK_SHARED
					    ? disk->image
					    : disk->master_name;

		if (named && !strcmp(named, version->path))
			strings_add_once(&t->arena, &names,
					 disk_owner_words(&t->arena, disk));
	}
	return names.n ? fail(-EBUSY,
			      "%s: it is the master in fleet.conf of %s",
			      version->path, list_names(&t->arena, &names))
		       : 0;
}

/* The path, and whose data disk it is: the reset of a data disk names it. */
static const char *child_words(struct retirement *t, const char *path)
{
	const struct fleet *fleet = t->fleet;

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];

		if (disk->name && disk->child && !strcmp(disk->image, path))
			return arena_printf(&t->arena, "%s (%s)", path,
					    disk_owner_words(&t->arena, disk));
	}
	return path;
}

/* Adds all that descend from the images that are listed so far, each once. */
static int add_descendants(struct retirement *t, struct strings *images)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < images->n; i++) {
		struct strings children = { 0 };
		struct stat st;

		if (fleet_stat(t->fleet, images->v[i], &st) == 0)
			r = children_list(t->fleet->store, &t->images, &st,
					  STORE_CHILDREN, &t->arena, &children);
		for (size_t k = 0; k < children.n; k++)
			strings_add_once(&t->arena, images, children.v[k]);
	}
	return r;
}

/* What to type so that the image goes, or null: no state of a client's disk. */
static const char *freeing_command(struct retirement *t, const char *image)
{
	const char *which;
	const struct disk *disk =
		saved_state_owner(&t->arena, t->fleet, image, &which);
	const char *words;

	if (!disk)
		return NULL;
	words = disk_reset_words(&t->arena, disk);
	return strcmp(which, WHICH_NOW) != 0
		       ? arena_printf(&t->arena,
				      "`tgt-glue disks --remove %s %s'", words,
				      shell_word(which))
	       : disk->master
		       ? arena_printf(&t->arena, "`tgt-glue reset %s'", words)
		       : NULL;
}

/* The commands that free the version of these images, children before their
 * parents; an image that is put aside has to go, too. */
static const char *advice(struct retirement *t, const struct strings *images)
{
	struct strings commands = { 0 };
	size_t others = 0;

	for (size_t i = images->n; i-- > 0;) {
		const char *command = freeing_command(t, images->v[i]);

		if (command)
			strings_add(&t->arena, &commands, command);
		else
			others++;
	}
	if (!commands.n)
		return "remove these images, first";
	return arena_printf(
		&t->arena, "type %s%s, first", list_names(&t->arena, &commands),
		others ? ", and remove those that are no disk of a client"
		       : "");
}

static int check_children(struct retirement *t, const struct version *version)
{
	struct strings images = { 0 }, children = { 0 };
	int r = children_list(t->fleet->store, &t->images, &version->st,
			      STORE_POSSIBLE_CHILDREN, &t->arena, &images);

	if (r < 0 || !images.n)
		return r;
	for (size_t i = 0; i < images.n; i++)
		strings_add(&t->arena, &children, child_words(t, images.v[i]));
	r = add_descendants(t, &images);
	return r < 0 ? r
		     : fail(-EBUSY,
			    "%s: it is, or may be, the parent of %s; %s",
			    version->path, list_names(&t->arena, &children),
			    advice(t, &images));
}

/* All channels but the one of --back. */
static int check_channels(const struct retirement *t,
			  const struct version *version)
{
	for (enum channel c = 0; c < CHANNEL_BACK; c++)
		if (t->versions.channels[c] == version)
			return fail(
				-EBUSY,
				"%s: it is the version %s %s; promote another one, first",
				version->path,
				c == CHANNEL_TEST ? "under" : "in",
				channel_names[c]);
	return 0;
}

/* Locked, so that nothing becomes its child meanwhile. */
static int remove_version(struct retirement *t, const struct version *version)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	const char *back =
		channel_path(&t->arena, t->versions.family, CHANNEL_BACK);
	int r = root_dir_open(&t->fleet->rootdir, version->path, true, &io,
			      NULL);

	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = check_children(t, version);
	if (r == 0 && t->versions.channels[CHANNEL_BACK] == version)
		r = link_remove(t->fleet, back);
	return r < 0 ? r : link_remove(t->fleet, version->path);
}

static int retire(struct retirement *t, const struct version *version)
{
	int r = check_channels(t, version);

	if (r == 0)
		r = check_fleet(t, version);
	/* Its children have it locked: name them. */
	if (r == 0)
		r = check_children(t, version);
	if (r == 0)
		r = remove_version(t, version);
	if (r < 0)
		return r;
	print_line(stdout, "%s: removed", version->path);
	version_event(t->fleet, "retire", NULL, t->versions.family,
		      version->number);
	return 0;
}

static int begin(struct retirement *t, const char *family)
{
	return versions_read(&t->arena, &t->fleet->rootdir, family,
			     &t->versions);
}

static void end(struct retirement *t)
{
	if (t->images)
		store_close(t->images);
	arena_fini(&t->arena);
}

int retire_run(const struct fleet *fleet, const char *family, unsigned number)
{
	struct retirement t = { .fleet = fleet };
	const struct version *version;
	int r = begin(&t, family);

	if (r == 0) {
		version = versions_find(&t.versions, number);
		r = version ? retire(&t, version)
			    : fail(-ENOENT,
				   "%s: expected a version %u, found none; `tgt-glue versions %s' lists them",
				   family, number, family);
	}
	end(&t);
	return r;
}

int retire_old(const struct fleet *fleet, const char *family)
{
	struct retirement t = { .fleet = fleet };
	const size_t keep = fleet->keep_versions;
	int r = keep ? begin(&t, family) : 0;

	for (size_t i = t.versions.n; r == 0 && i-- > 0;) {
		const struct version *version = &t.versions.v[i];

		if (t.versions.n - i <= keep ||
		    version == t.versions.channels[CHANNEL_BACK])
			continue;
		/* What needs it is no failure here. */
		r = retire(&t, version);
		if (r == -EBUSY)
			r = 0;
	}
	end(&t);
	return r;
}
