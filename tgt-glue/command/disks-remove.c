/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command disks --remove: earlier states of a client's disk are removed.
 *
 * ORDER
 *
 *   1. old images, and snapshots of an image in another format, which have
 *      no children then, under the lock: none is brought back meanwhile
 *   2. without the lock, because it may copy data and take long: snapshots, the
 *      newest first, by `vhdfs-img delete-snapshot': what only a snapshot holds
 *      goes to its children
 *
 * What an interrupted command has not removed, another one removes: each state
 * is removed in one step, or stays.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/orphan-images.h"
#include "tgt-glue/reconcile/mount-probe.h"
#include "tgt-glue/reconcile/saved-states.h"

struct removal {
	struct fleet fleet;
	struct arena arena;
	const struct disk *disk;
	struct saved_states states;
	bool *chosen; /* of each state */
	struct store *images;
	bool copy;
	int code;
};

static void report(struct removal *removal, const struct saved_state *state,
		   int r)
{
	const char *words = disk_words(&removal->arena, removal->disk);

	if (r == 0) {
		print_line(stdout, "%s: %s: removed", words, state->file);
		return;
	}
	print_line(stderr, "tgt-glue: %s: disks: %s", words, error_text());
	removal->code = CLI_FAILED;
}

/* Chooses the state WHICH. */
static void choose(struct removal *removal, const char *which)
{
	const struct saved_state *state = saved_states_find(
		&removal->states, removal->disk->client, which);

	if (state)
		removal->chosen[state - removal->states.v] = true;
	else
		report(removal, NULL, error_last()->code);
}

static bool is_plain(const struct saved_state *state)
{
	return state->kind == STATE_OLD || state->other_format;
}

/* 1 */
static void remove_old(struct removal *removal)
{
	for (size_t i = 0; i < removal->states.n; i++) {
		const struct saved_state *state = &removal->states.v[i];
		const struct orphan image = { .path = state->file };

		if (removal->chosen[i] && is_plain(state))
			report(removal, state,
			       orphan_remove(&removal->fleet, &removal->images,
					     &image));
	}
}

static int delete_snapshot(struct removal *removal,
			   const struct saved_state *state)
{
	const char *store = removal->fleet.store;
	const char *argv[10] = { "vhdfs-img", "delete-snapshot", "--unrelated",
				 "--store", store };
	size_t n = 5;

	if (removal->copy)
		argv[n++] = "--copy";
	argv[n++] = "--";
	argv[n++] = arena_printf(&removal->arena, "%s/%s", store,
				 removal->disk->image);
	argv[n++] = state->snapshot;
	return vhdfs_img_run(argv);
}

/* 2 */
static void remove_snapshots(struct removal *removal)
{
	for (size_t i = 0; i < removal->states.n; i++) {
		const struct saved_state *state = &removal->states.v[i];

		if (removal->chosen[i] && !is_plain(state))
			report(removal, state, delete_snapshot(removal, state));
	}
}

/* Returns false after a message. */
static bool find_disk(const struct command_line *line, struct removal *removal)
{
	const struct client *client =
		command_client(line, &removal->fleet, line->clients[0]);
	struct strings names = { 0 };

	if (!client)
		return false;
	strings_add(&removal->arena, &names, client->name);
	if (!select_have_disk(line, &removal->fleet, "disks", SELECT_WITH_IMAGE,
			      &names))
		return false;
	removal->disk = client_disk(client, line->disk);
	return true;
}

static void run(const struct command_line *line, struct removal *removal)
{
	_cleanup_close_ int lock = command_load_locked(line, &removal->fleet);

	removal->code = CLI_FAILED;
	if (lock < 0 || !find_disk(line, removal))
		return;
	/* With the lock held, a mount that hangs would hang all commands. */
	mount_probe_set_silent(&removal->fleet);
	if (saved_states_read(&removal->arena, &removal->fleet, removal->disk,
			      &removal->states) < 0) {
		command_failed();
		return;
	}
	removal->code = CLI_DONE;
	removal->chosen = arena_alloc(&removal->arena, removal->states.n + 1);
	for (char **which = line->clients + 1; *which; which++)
		choose(removal, *which);
	remove_old(removal);
	fflush(stdout);
	close(steal_fd(&lock));
	remove_snapshots(removal);
}

int command_disks_remove(const struct command_line *line)
{
	struct removal removal = { .fleet = NO_FLEET, .copy = line->copy };

	run(line, &removal);
	if (removal.images)
		store_close(removal.images);
	arena_fini(&removal.arena);
	fleet_fini(&removal.fleet);
	return removal.code;
}
