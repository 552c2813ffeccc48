/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command publish; versions/publish.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/versions/publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "format/registry.h"
#include "store/snapshot.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/command/family.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/versions/retire.h"

/* The version has the format of the client's image. */
static int check_format(const struct client *client, const char *family)
{
	const char *expected = value_image_format(family)->name;
	const char *found = value_image_format(client->disks->image)->name;

	return !strcmp(expected, found)
		       ? 0
		       : fail(-EINVAL,
			      "%s: format: expected %s as %s, found %s; reset the client to a master of that format, or publish to another name",
			      client->disks->image, expected, family, found);
}

/* The client, or null after a message. */
static const struct client *operands(const struct command_line *line,
				     const struct fleet *fleet,
				     struct arena *arena, const char **family)
{
	const struct client *client =
		command_client(line, fleet, line->clients[0]);
	struct stat st;
	int r;

	if (!client)
		return NULL;
	r = command_family(fleet, arena, line->clients[1],
			   strrchr(client->disks->image, '.'), family);
	if (r == 0)
		r = check_format(client, *family);
	if (r == 0 && fleet_stat(fleet, client->disks->image, &st) < 0)
		r = fail(-ENOENT,
			 "%s: expected the image of the client, found none",
			 client->disks->image);
	if (r == 0)
		r = client_image_check_no_link(fleet, client->disks->image);
	if (r < 0)
		command_failed();
	return r < 0 ? NULL : client;
}

static int prepare(const struct command_line *line)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	const struct client *client;
	const char *family;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	client = operands(line, &fleet, &arena, &family);
	if (!client)
		return CLI_FAILED;
	return publish_prepare(&fleet, client, family) < 0 ? command_failed()
							   : CLI_DONE;
}

int command_publish(const struct command_line *line)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_close_ int lock = -1;
	const struct publish_options options = { line->note, line->unclean };
	const struct client *client;
	const char *family;
	unsigned number;

	if (line->note && snapshot_check_note(line->note) < 0)
		return command_failed();
	if (prepare(line) != CLI_DONE)
		return CLI_FAILED;
	lock = command_load_locked(line, &fleet);
	client = lock < 0 ? NULL : operands(line, &fleet, &arena, &family);
	if (!client)
		return CLI_FAILED;
	if (publish_run(&fleet, client, family, &options, &number) < 0)
		return command_failed();
	print_line(
		stdout,
		"%s: version %u, of %s, is under test; `tgt-glue promote %s' puts it in production",
		family, number, client->name, family);
	return retire_old(&fleet, family) < 0 ? command_failed() : CLI_DONE;
}
