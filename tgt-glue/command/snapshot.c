/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command snapshot: the present state of clients' disks, with a name. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/snapshot.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/saved-states.h"

/* vhdfs-img asks the mount, so the client may be logged in. */
static int take(struct arena *arena, const struct fleet *fleet,
		const struct client *client, const char *name, const char *note)
{
	const char *argv[] = { "vhdfs-img",
			       "snapshot",
			       "--store",
			       fleet->store,
			       arena_printf(arena, "--note=%s",
					    note ? note : ""),
			       "--",
			       arena_printf(arena, "%s/%s", fleet->store,
					    client->disks->image),
			       name,
			       NULL };
	int r = vhdfs_img_run(argv);

	if (r < 0)
		print_line(stderr, "tgt-glue: %s: snapshot: %s", client->name,
			   error_text());
	else
		print_line(stdout, "%s: snapshot: %s", client->name, name);
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
	if (lock < 0 || !select_exist(line, &fleet, &names))
		return CLI_FAILED;
	for (size_t i = 0; i < names.n; i++)
		if (take(&arena, &fleet, fleet_client(&fleet, names.v[i]), name,
			 line->note) < 0)
			code = CLI_FAILED;
	return code;
}
