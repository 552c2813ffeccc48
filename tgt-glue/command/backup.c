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

/* Names each unknown client of the operands. */
static bool check_names(const struct command_line *line,
			const struct fleet *fleet, char *const *names)
{
	bool known = true;

	for (; *names; names++)
		if (!fleet_client(fleet, *names)) {
			print_line(
				stderr,
				"tgt-glue: backup: expected a client of %s, found '%s'; `tgt-glue status' lists them",
				line->config, *names);
			known = false;
		}
	return known;
}

static bool is_wanted(const struct client *client, char *const *names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (!strcmp(client->name, *names))
			return true;
	return false;
}

static void run(struct backup *backup, char *const *names)
{
	const struct fleet *fleet = backup->fleet;

	backup_config(backup);
	for (size_t i = 0; i < fleet->n && !stop_wanted(); i++)
		if (is_wanted(&fleet->clients[i], names)) {
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
	char *const *names = line->clients + 1;

	if (keep < 0) {
		print_line(
			stderr,
			"tgt-glue: backup: --keep: expected a number of at most %d digits, found '%s'",
			KEEP_DIGITS_MAX, line->keep);
		return CLI_USAGE;
	}
	if (command_load(line, &fleet) < 0 || !check_names(line, &fleet, names))
		return CLI_FAILED;
	stop_catch();
	if (backup_open(&backup, &fleet, line->clients[0], (unsigned)keep) < 0)
		return command_failed();
	run(&backup, names);
	if (stop_check() < 0)
		return command_failed();
	if (backup.failed)
		return CLI_FAILED;
	return backup.skipped ? EXIT_SKIPPED : CLI_DONE;
}
