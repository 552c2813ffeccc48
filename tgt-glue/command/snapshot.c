/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command snapshot: the present state of clients' disks, with a name. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/snapshot.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/saved-states.h"

/* Which state of the disk has the file, and what to type.  -EEXIST. */
static int fail_exists(struct arena *arena, const struct fleet *fleet,
		       const struct disk *disk, const char *file)
{
	struct saved_states states;

	if (saved_states_read(arena, fleet, disk, &states) < 0)
		return error_last()->code;
	for (size_t i = 0; i < states.n; i++) {
		const struct saved_state *state = &states.v[i];

		if (!strcmp(state->file, file))
			return fail(
				-EEXIST,
				"%s exists: it is the state %s of %s%s%s; take another name, or remove that state with `tgt-glue disks --remove %s %s'",
				file, state->which, state->date,
				state->master ? ", on " : "",
				state->master ? state->master : "",
				disk_reset_words(arena, disk),
				shell_word(state->which));
	}
	return fail(
		-EEXIST,
		"%s exists, and is no state of this disk; take another name, or move the file away",
		file);
}

/* The name is free, or else -errno with a message. */
static int check_name(struct arena *arena, const struct fleet *fleet,
		      const struct disk *disk, const char *name)
{
	_cleanup_free_ char *file = snapshot_file_name(disk->image, name);
	const char *path;
	struct stat st;

	if (!file)
		return fail(-ENOMEM, "out of memory");
	path = arena_printf(arena, "%s/%s", disk_directory(arena, disk), file);
	return fleet_stat(fleet, path, &st) < 0
		       ? 0
		       : fail_exists(arena, fleet, disk, path);
}

/* vhdfs-img asks the mount, so the client may be logged in. */
static int take(struct arena *arena, const struct fleet *fleet,
		const struct disk *disk, const char *name, const char *note)
{
	const char *argv[] = {
		"vhdfs-img",
		"snapshot",
		"--store",
		fleet->store,
		arena_printf(arena, "--note=%s", note ? note : ""),
		"--",
		arena_printf(arena, "%s/%s", fleet->store, disk->image),
		name,
		NULL
	};
	int r = check_name(arena, fleet, disk, name);

	if (r == 0)
		r = vhdfs_img_run(argv);
	if (r < 0)
		print_line(stderr, "tgt-glue: %s: snapshot: %s",
			   disk_words(arena, disk), error_text());
	else
		print_line(stdout, "%s: snapshot: %s", disk_words(arena, disk),
			   name);
	fflush(stdout);
	return r;
}

int command_snapshot(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const char *name = line->clients[0];
	const struct command_line others = select_after_name(line);
	struct strings names = { 0 };
	int code;

	if (saved_states_check_new_name(name) < 0 ||
	    (line->note && snapshot_check_note(line->note) < 0))
		return command_failed();
	code = select_ask(&others, "snapshot", &arena, &names);
	if (code != CLI_DONE)
		return code;
	lock = command_load_locked(line, &fleet);
	if (lock < 0 || !select_exist(line, &fleet, &names) ||
	    !select_have_disk(line, &fleet, "snapshot", SELECT_WITH_IMAGE,
			      &names))
		return CLI_FAILED;
	for (size_t i = 0; i < names.n; i++)
		if (take(&arena, &fleet,
			 client_disk(fleet_client(&fleet, names.v[i]),
				     line->disk),
			 name, line->note) < 0)
			code = CLI_FAILED;
	return code;
}
