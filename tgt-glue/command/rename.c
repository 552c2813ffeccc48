/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command rename; client-rename.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/boot-resets.h"
#include "tgt-glue/reconcile/client-rename.h"
#include "tgt-glue/reconcile/reconcile.h"

/* Are these the names of two clients? */
static bool are_names(const char *old, const char *new)
{
	const char *expected = value_check(&value_name, old);

	if (expected)
		print_line(stderr, "tgt-glue: rename: expected %s, found '%s'",
			   expected, old);
	else if (!strcmp(old, new))
		print_line(
			stderr,
			"tgt-glue: rename: expected two names, the earlier one and that of fleet.conf now, found %s twice",
			old);
	return !expected && strcmp(old, new) != 0;
}

/* fleet.conf must name NEW in the place of OLD. */
static bool is_configured(const struct command_line *line, struct fleet *fleet)
{
	const char *old = line->clients[0], *new = line->clients[1];
	const struct client *before = fleet_client(fleet, old);

	if (!before && fleet_client(fleet, new))
		return true;
	if (before)
		print_line(
			stderr,
			"tgt-glue: rename: %s: expected the name %s, found %s; write %s there, and type `tgt-glue rename %s %s' again",
			conf_place(&fleet->conf, before->line), new, old, new,
			old, new);
	else
		print_line(
			stderr,
			"tgt-glue: rename: %s: expected a client %s, found none; write its section, [client %s], or its line in [machines]",
			line->config, new, new);
	return false;
}

/* A disk that must not be admitted keeps its record under its name. */
static bool is_due(struct arena *arena, const struct fleet *fleet,
		   const char *old, const char *new)
{
	struct strings due;

	if (boot_resets_load(fleet, arena, &due) < 0) {
		command_failed();
		return true;
	}
	if (!strings_have(&due, old) ||
	    !client_resets_at_boot(fleet_client(fleet, new)))
		return false;
	print_line(
		stderr,
		"tgt-glue: rename: %s: expected a disk that was reset, found that of its last session (reset = boot); write %s in fleet.conf again, type `tgt-glue reset %s', and then rename it",
		old, old, old);
	return true;
}

/* The initiators that are logged in to OLD's target, in arena; null: none. */
static const char *find_initiators(struct arena *arena,
				   const struct fleet *fleet, const char *old)
{
	const char *iqn = client_rename_iqn(arena, fleet, old), *found = NULL;

	for (size_t i = 0; i < fleet->n_shards; i++) {
		const struct tgtd_target *t;
		struct tgtd_state state;
		struct tgtd tgtd;

		if (tgtd_open(fleet->shards[i].control_port, &tgtd) < 0)
			continue;
		if (tgtd_state_read(&tgtd, &state) == 0) {
			t = tgtd_state_target(&state, iqn);
			if (t && t->n_connections)
				found = tgtd_state_initiators(arena, t);
		}
		tgtd_state_fini(&state);
	}
	return found;
}

static void advise(const struct client *client)
{
	print_line(
		stdout,
		"%s: its target is %s; its machine needs the boot script and the settings of that name (`tgt-glue ipxe %s')",
		client->name, client->iqn, client->name);
	if (client->secret_file)
		print_line(
			stdout,
			"%s: its secret-file is %s; where that of the earlier name is another, move it, and type `tgt-glue apply'",
			client->name, client->secret_file);
}

int command_rename(const struct command_line *line)
{
	const char *old = line->clients[0], *new = line->clients[1];
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet, .messages = &messages, .clients.from = old
	};
	const char *initiators;
	int code;

	if (!are_names(old, new))
		return CLI_FAILED;
	lock = command_load_locked(line, &fleet);
	if (lock < 0 || !is_configured(line, &fleet))
		return CLI_FAILED;
	if (is_due(&reconcile.arena, &fleet, old, new))
		return CLI_FAILED;
	if (client_rename_check_earlier(&reconcile.arena, &fleet,
					fleet_client(&fleet, new), old) < 0) {
		print_line(stderr, "tgt-glue: rename: %s", error_text());
		return CLI_FAILED;
	}
	initiators = find_initiators(&reconcile.arena, &fleet, old);
	if (initiators) {
		print_line(
			stderr,
			"tgt-glue: %s: skipped: logged in: %s; shut it down, then type `tgt-glue rename %s %s'",
			old, initiators, old, new);
		return EXIT_SKIPPED;
	}
	strings_add(&reconcile.arena, &reconcile.options.reset, new);
	/* All its disks with `reset = boot', too. */
	if (client_resets_at_boot(fleet_client(&fleet, new)))
		strings_add(&reconcile.arena, &reconcile.options.boot, new);
	code = command_exit_code(&reconcile, reconcile_run(&reconcile));
	if (code == CLI_DONE)
		advise(fleet_client(&fleet, new));
	return code;
}
