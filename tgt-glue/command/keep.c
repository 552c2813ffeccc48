/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command keep: the present state of a client's disk becomes the one to
 * which a reset goes back (kept-image.h).
 *
 * ORDER, so that an interrupted keep that is run again ends in the same state:
 *
 *   1. the snapshot kept-N is taken, with a number greater than all before it:
 *      from here on it is the kept one; an image that is a child of the kept
 *      one without data is not kept again
 *   2. the earlier ones are forgotten
 *   3. those that at most one image needs are removed, which may copy data and
 *      take long: without the lock, so that watch and other commands go on
 *
 * keep --forget does 2 with all of them, and 3.
 */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/snapshot.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/saved-states.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/kept-image.h"
#include "tgt-glue/tgtd/state.h"

struct keeping {
	const struct fleet *fleet;
	const struct disk *disk;
	const char *note;
	bool forget;
	struct arena *arena;
};

static const char *image_path(const struct keeping *k)
{
	return arena_printf(k->arena, "%s/%s", k->fleet->store, k->disk->image);
}

/* Is the client's image a child without data of the kept one? */
static bool is_kept_already(const struct keeping *k)
{
	const char *kept = kept_image_find(k->arena, k->fleet, k->disk);

	return kept && image_shows(k->fleet, k->disk->image, kept);
}

static unsigned newest_number(const struct keeping *k)
{
	struct kept_images all;

	kept_images_read(k->arena, k->fleet, k->disk, &all);
	return all.n ? all.v[0].number : 0;
}

/* 1 */
static int take(const struct keeping *k)
{
	const unsigned number = newest_number(k) + 1;
	const char *argv[] = { "vhdfs-img",
			       "snapshot",
			       "--store",
			       k->fleet->store,
			       arena_printf(k->arena, "--note=%s",
					    k->note ? k->note : ""),
			       "--",
			       image_path(k),
			       kept_image_name(k->arena, number),
			       NULL };

	return is_kept_already(k) ? 0 : vhdfs_img_run(argv);
}

/* 2.  The newest is not forgotten unless all are. */
static int forget_earlier(const struct keeping *k)
{
	struct kept_images all;
	int r = 0;

	kept_images_read(k->arena, k->fleet, k->disk, &all);
	for (size_t i = k->forget ? 0 : 1; r == 0 && i < all.n; i++)
		r = kept_image_forget(k->fleet, all.v[i].path);
	return r;
}

/* True if the target of the client has a session on any shard. */
static bool is_logged_in(const struct keeping *k)
{
	bool found = false;

	for (size_t i = 0; i < k->fleet->n_shards; i++) {
		const struct tgtd_target *t;
		struct tgtd_state state;
		struct tgtd tgtd;

		if (tgtd_open(k->fleet->shards[i].control_port, &tgtd) < 0)
			continue;
		if (tgtd_state_read(&tgtd, &state) == 0) {
			t = tgtd_state_target(&state, k->disk->client->iqn);
			found = found || (t && t->n_connections);
		}
		tgtd_state_fini(&state);
	}
	return found;
}

/* What a reset will do, where that is not what the administrator expects. */
static void warn(const struct keeping *k)
{
	const struct disk *disk = k->disk;
	const char *kept = kept_image_find(k->arena, k->fleet, disk);

	if (kept &&
	    strcmp(kept_image_base(k->arena, k->fleet, disk), kept) != 0)
		print_line(
			stderr,
			"tgt-glue: %s: keep: warning: its disk is no child of %s: a reset takes that instead of the kept state",
			disk_words(k->arena, disk), disk->master);
	if (is_logged_in(k))
		print_line(
			stderr,
			"tgt-glue: %s: keep: warning: it is logged in, so its kept disk is as after a power failure; shut it down and type `tgt-glue keep %s' for a clean one",
			disk_words(k->arena, disk),
			disk_reset_words(k->arena, disk));
}

/* 1 and 2 */
static int keep(const struct keeping *k)
{
	int r = client_image_check_no_link(k->fleet, k->disk->image);

	if (r == 0 && !k->forget)
		r = take(k);
	if (r == 0)
		r = forget_earlier(k);
	if (r < 0)
		return r;
	print_line(stdout, "%s: image: a reset goes back to %s",
		   disk_words(k->arena, k->disk),
		   kept_image_base(k->arena, k->fleet, k->disk));
	if (!k->forget)
		warn(k);
	return 0;
}

/* snapshot null: the image does not descend from it. */
static void remove_one(const struct keeping *k, const char *name,
		       const struct snapshot *snapshot)
{
	const char *argv[] = { "vhdfs-img", "delete-snapshot",
			       "--store",   k->fleet->store,
			       "--",        image_path(k),
			       name,        NULL };
	const char *why = NULL;

	if (!snapshot)
		why = arena_printf(
			k->arena,
			"the present image does not descend from it; where it is not wanted, type `tgt-glue disks --remove %s %s'",
			disk_reset_words(k->arena, k->disk), name);
	else if (snapshot->children > 1)
		why = arena_printf(k->arena, "%u images need it",
				   snapshot->children);
	else if (vhdfs_img_run(argv) < 0)
		why = error_text();
	if (why)
		print_line(stderr,
			   "tgt-glue: %s: keep: %s stays as a snapshot: %s",
			   disk_words(k->arena, k->disk), name, why);
}

/* 3.  What stays takes space, and does no harm. */
static void remove_forgotten(const struct keeping *k)
{
	const char *kept = kept_image_find(k->arena, k->fleet, k->disk);
	struct snapshots snapshots = { 0 };
	struct kept_images all;

	kept_images_read(k->arena, k->fleet, k->disk, &all);
	for (size_t i = kept ? 1 : 0; i < all.n; i++) {
		const char *name = all.v[i].name;

		if (snapshots_list(&k->fleet->rootdir, k->disk->image,
				   &snapshots) == 0)
			remove_one(k, name, snapshots_find(&snapshots, name));
		snapshots_fini(&snapshots);
	}
}

int command_keep(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct keeping k = { .fleet = &fleet,
			     .note = line->note,
			     .forget = line->forget,
			     .arena = &arena };
	struct strings names = { 0 };
	int code = select_ask(line, "keep", &arena, &names);

	if (code != CLI_DONE)
		return code;
	lock = command_load_locked(line, &fleet);
	if (lock < 0 || !select_exist(line, &fleet, &names) ||
	    !select_have_disk(line, &fleet, "keep", SELECT_WITH_MASTER, &names))
		return CLI_FAILED;
	if (line->note && snapshot_check_note(line->note) < 0)
		return command_failed();
	for (size_t i = 0; i < names.n; i++) {
		k.disk = client_disk(fleet_client(&fleet, names.v[i]),
				     line->disk);
		if (keep(&k) == 0)
			continue;
		print_line(stderr, "tgt-glue: %s: keep: %s",
			   disk_words(&arena, k.disk), error_text());
		code = CLI_FAILED;
	}
	fflush(stdout);
	close(steal_fd(&lock));
	for (size_t i = 0; i < names.n; i++) {
		k.disk = client_disk(fleet_client(&fleet, names.v[i]),
				     line->disk);
		remove_forgotten(&k);
	}
	return code;
}
