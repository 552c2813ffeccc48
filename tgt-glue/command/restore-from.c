/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command restore with --from; backup/restore.h has the order of its
 * steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/backup/restore.h"
#include "tgt-glue/backup/stop.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/config/resolve.h"
#include "tgt-glue/reconcile/reconcile.h"

/* Keeps the worst of the exit codes. */
static void add_code(int *code, int other)
{
	if (*code == CLI_DONE || other == CLI_FAILED)
		*code = other;
}

static int restore_client(const struct command_line *line,
			  struct restoring *restoring, const char *name)
{
	struct reconcile reconcile = { 0 };
	const char *which = NULL, *text = NULL;
	int r = restoring_client(restoring, name, line->disk, &which, &text);

	if (r == 1) {
		(void)fflush(stdout);
		reconcile.clients.which = which;
		strings_add(&reconcile.arena, &reconcile.options.reset, name);
		return command_bring_back(line, "restore", &reconcile);
	}
	if (r == 0) {
		print_line(stdout, "%s: %s", name, text);
		return CLI_DONE;
	}
	print_line(stderr, "tgt-glue: %s: %s: %s", name,
		   r == -ENOENT && !which ? "skipped" : "not restored",
		   error_text());
	return r == -ENOENT && !which ? EXIT_SKIPPED : CLI_FAILED;
}

/* Reports why a data disk was not restored. */
static void report_data_disk(const char *name)
{
	print_line(stderr, "tgt-glue: %s: %s: %s", name,
		   error_last()->code == -EEXIST ? "skipped" : "not restored",
		   error_text());
}

static int restore_data_disks(struct restoring *restoring, const char *name)
{
	int r = restoring_data_disks(restoring, name, report_data_disk);

	if (r == 0)
		return CLI_DONE;
	return r == -EEXIST ? EXIT_SKIPPED : CLI_FAILED;
}

/* The clients that have the disk of --disk, if it is given.  False, after a
 * message: there is none. */
static bool add_all(const struct command_line *line, const struct fleet *fleet,
		    struct arena *arena, struct strings *names)
{
	for (size_t i = 0; i < fleet->n; i++) {
		const struct disk *disk =
			client_disk(&fleet->clients[i], line->disk);

		if (disk && (!line->disk || disk->kind == DISK_CHILD ||
			     disk->kind == DISK_OWN))
			strings_add(arena, names, fleet->clients[i].name);
	}
	if (line->disk && !names->n)
		print_line(
			stderr,
			"tgt-glue: restore: --disk: expected a data disk with an image of each client's own, found '%s'",
			line->disk);
	return !line->disk || names->n;
}

static int restore_all(const struct command_line *line,
		       struct restoring *restoring, const struct strings *names)
{
	int code = CLI_DONE;

	for (size_t i = 0; i < names->n && stop_check() == 0; i++) {
		const char *name = names->v[i];

		add_code(&code, restore_client(line, restoring, name));
		if (!line->disk)
			add_code(&code, restore_data_disks(restoring, name));
	}
	return stop_check() < 0 ? command_failed() : code;
}

/* On a new server the masters are missing, which are mistakes of fleet.conf
 * that the restore removes. */
static int load(const struct command_line *line, struct fleet *fleet)
{
	int r = fleet_load(line->config, false, fleet);

	if (fleet->rootdir.fd >= 0)
		return 0;
	return command_failed_load(fleet), r < 0 ? r : -ENOENT;
}

int command_restore_from(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(restoring_fini) struct restoring restoring = { .from.fd = -1,
								 .lock = -1 };
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct strings names = { 0 };

	if (load(line, &fleet) < 0 ||
	    (*line->clients && select_clients(line, &fleet, "restore", &arena,
					      &names) != CLI_DONE))
		return CLI_FAILED;
	if (!*line->clients && !add_all(line, &fleet, &arena, &names))
		return CLI_FAILED;
	if (!select_have_disk(line, &fleet, "restore", SELECT_WITH_IMAGE,
			      &names))
		return CLI_FAILED;
	stop_catch();
	if (restoring_open(&restoring, &fleet, line->from) < 0)
		return command_failed();
	if (!*line->clients && restoring_masters(&restoring) < 0)
		return command_failed();
	return restore_all(line, &restoring, &names);
}
