/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command backup; backup/backup.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/backup/backup.h"
#include "tgt-glue/backup/stop.h"
#include "tgt-glue/command/select.h"

enum { KEEP_DEFAULT = 1, KEEP_DIGITS_MAX = 4 };

/* Returns -1 for a text that is no number. */
static int read_keep(const char *text)
{
	if (!text)
		return KEEP_DEFAULT;
	if (!*text || strlen(text) > KEEP_DIGITS_MAX ||
	    text[strspn(text, "0123456789")])
		return -1;
	return atoi(text);
}

/* Without names: all clients. */
static void run(struct backup *backup, const struct strings *names)
{
	const struct fleet *fleet = backup->fleet;

	backup_config(backup);
	for (size_t i = 0; i < fleet->n && !stop_wanted(); i++)
		if (!names->n || strings_have(names, fleet->clients[i].name)) {
			backup_client(backup, &fleet->clients[i]);
			(void)fflush(stdout);
		}
}

int command_backup(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(backup_fini) struct backup backup = { .to.fd = -1,
							.lock = -1 };
	const int keep = read_keep(line->keep);
	const struct command_line others = select_after_name(line);
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct strings names = { 0 };

	if (keep < 0) {
		print_line(
			stderr,
			"tgt-glue: backup: --keep: expected a number of at most %d digits, found '%s'",
			KEEP_DIGITS_MAX, line->keep);
		return CLI_USAGE;
	}
	if (command_load(line, &fleet) < 0 ||
	    (*others.clients && select_clients(&others, &fleet, "backup",
					       &arena, &names) != CLI_DONE))
		return CLI_FAILED;
	stop_catch();
	if (backup_open(&backup, &fleet, line->clients[0], (unsigned)keep) < 0)
		return command_failed();
	run(&backup, &names);
	if (stop_check() < 0)
		return command_failed();
	if (backup.failed)
		return CLI_FAILED;
	return backup.skipped ? EXIT_SKIPPED : CLI_DONE;
}
