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
#include "tgt-glue/versions/version-events.h"

/* The version has the format of the disk's image. */
static int check_format(const struct disk *disk, const char *family)
{
	const char *expected = value_image_format(family)->name;
	const char *found = value_image_format(disk->image)->name;

	return !strcmp(expected, found)
		       ? 0
		       : fail(-EINVAL,
			      "%s: format: expected %s as %s, found %s; reset the disk to a master of that format, or publish to another name",
			      disk->image, expected, family, found);
}

/* The disk of --disk, or null with a message. */
static const struct disk *named_disk(const struct client *client,
				     const char *name)
{
	const struct disk *disk = client_disk(client, name);

	if (disk && disk->child)
		return disk;
	fail(-ENOENT,
	     disk ? "--disk: expected a disk with an image of the client's own, found disk %s of client %s, which clients share"
		  : "--disk: expected a data disk of the client, found '%s', which client %s does not have; `disks' in fleet.conf names them",
	     name, client->name);
	return NULL;
}

/* The disk of the client whose master it is; where none is, the system disk.
 * Null, with a message, for several data disks. */
static const struct disk *disk_of_family(const struct client *client,
					 const char *family)
{
	const struct disk *found = NULL;

	for (size_t i = 0; i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];

		if (!text_equal(disk->family, family))
			continue;
		if (!disk->name)
			return disk;
		if (found) {
			fail(-EINVAL,
			     "%s: expected the master of one disk of %s, found disks %s and %s; add --disk NAME",
			     family, client->name, found->name, disk->name);
			return NULL;
		}
		found = disk;
	}
	return found ? found : client->disks;
}

/* The disk to be published, or null with a message. */
static const struct disk *
find_disk(const struct command_line *line, const struct fleet *fleet,
	  struct arena *arena, const struct client *client, const char **family)
{
	const struct disk *disk =
		line->disk ? named_disk(client, line->disk) : client->disks;

	if (!disk || command_family(fleet, arena, line->clients[1],
				    strrchr(disk->image, '.'), family) < 0)
		return NULL;
	return line->disk ? disk : disk_of_family(client, *family);
}

/* The disk, or null after a message. */
static const struct disk *operands(const struct command_line *line,
				   const struct fleet *fleet,
				   struct arena *arena, const char **family)
{
	const struct client *client =
		command_client(line, fleet, line->clients[0]);
	const struct disk *disk;
	struct stat st;
	int r = -ENOENT;

	if (!client)
		return NULL;
	disk = find_disk(line, fleet, arena, client, family);
	if (disk)
		r = check_format(disk, *family);
	if (r == 0 && fleet_stat(fleet, disk->image, &st) < 0)
		r = fail(-ENOENT,
			 "%s: expected the image of the client, found none",
			 disk->image);
	if (r == 0)
		r = client_image_check_no_link(fleet, disk->image);
	if (r < 0)
		command_failed();
	return r < 0 ? NULL : disk;
}

static int prepare(const struct command_line *line)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	const struct disk *disk;
	const char *family;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	disk = operands(line, &fleet, &arena, &family);
	if (!disk)
		return CLI_FAILED;
	return publish_prepare(&fleet, disk, family) < 0 ? command_failed()
							 : CLI_DONE;
}

int command_publish(const struct command_line *line)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_close_ int lock = -1;
	const struct publish_options options = { line->note, line->unclean };
	const struct disk *disk;
	const char *family;
	unsigned number;

	if (line->note && snapshot_check_note(line->note) < 0)
		return command_failed();
	if (prepare(line) != CLI_DONE)
		return CLI_FAILED;
	lock = command_load_locked(line, &fleet);
	disk = lock < 0 ? NULL : operands(line, &fleet, &arena, &family);
	if (!disk)
		return CLI_FAILED;
	if (publish_run(&fleet, disk, family, &options, &number) < 0)
		return command_failed();
	print_line(
		stdout,
		"%s: version %u, of %s, is under test; `tgt-glue promote %s' puts it in production",
		family, number, disk_owner_words(&arena, disk), family);
	version_event(&fleet, "publish", disk->client->name, family, number);
	return retire_old(&fleet, family) < 0 ? command_failed() : CLI_DONE;
}
