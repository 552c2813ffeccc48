/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fleet: its clients, and stat of files of its store. */
#include "config.h"

#include "tgt-glue/config/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "format/registry.h"
#include "io/rootdir.h"

void fleet_fini(struct fleet *fleet)
{
	root_dir_fini(&fleet->rootdir);
	conf_fini(&fleet->conf);
}

const char *disk_image_path(struct fleet *fleet, const struct disk *disk,
			    const struct image_ops *format)
{
	struct arena *arena = &fleet->conf.arena;
	const char *client = disk->client->name;

	return disk->name ? arena_printf(arena, "disks/%s/%s.%s", disk->name,
					 client, format->name)
			  : arena_printf(arena, "clients/%s.%s", client,
					 format->name);
}

const char *disk_title(struct arena *arena, const struct disk *disk)
{
	return disk->name ? arena_printf(arena, "disk %s", disk->name) : "disk";
}

const char *disk_words(struct arena *arena, const struct disk *disk)
{
	return disk->name ? arena_printf(arena, "%s: disk %s",
					 disk->client->name, disk->name)
			  : disk->client->name;
}

const char *disk_reset_words(struct arena *arena, const struct disk *disk)
{
	return disk->name ? arena_printf(arena, "--disk %s %s", disk->name,
					 disk->client->name)
			  : disk->client->name;
}

struct disk *client_disk(const struct client *client, const char *name)
{
	for (size_t i = 0; i < client->n_disks; i++)
		if (text_equal(client->disks[i].name, name))
			return &client->disks[i];
	return NULL;
}

bool client_resets_at_boot(const struct client *client)
{
	bool any = false;

	for (size_t i = 0; i < client->n_disks; i++)
		any = any || client->disks[i].reset_boot;
	return any;
}

const struct disk *client_lun(const struct client *client, unsigned lun)
{
	for (size_t i = 0; i < client->n_disks; i++)
		if (client->disks[i].lun == lun)
			return &client->disks[i];
	return NULL;
}

int fleet_stat(const struct fleet *fleet, const char *path, struct stat *ret)
{
	_cleanup_close_ int fd = root_dir_openat(&fleet->rootdir, path, O_PATH);

	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

const char *fleet_no_file(const struct fleet *fleet, const char *path)
{
	struct stat st;
	int r = fleet_stat(fleet, path, &st);

	if (r == -EXDEV)
		return "a link that leads out of the store";
	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? "nothing" : strerror(-r);
	return S_ISREG(st.st_mode) ? NULL
				   : "something other than a regular file";
}

const struct client *fleet_client(const struct fleet *fleet, const char *name)
{
	for (size_t i = 0; i < fleet->n; i++)
		if (!strcmp(fleet->clients[i].name, name))
			return &fleet->clients[i];
	return NULL;
}

const struct client *fleet_client_by_iqn(const struct fleet *fleet,
					 const char *iqn)
{
	for (size_t i = 0; i < fleet->n; i++)
		if (!strcmp(fleet->clients[i].iqn, iqn))
			return &fleet->clients[i];
	return NULL;
}

unsigned fleet_active_shards(const struct fleet *fleet)
{
	unsigned n = 0;

	for (size_t i = 0; i < fleet->n_shards; i++)
		n += !fleet->shards[i].retired;
	return n;
}

const char *fleet_client_name(const struct fleet *fleet, const char *iqn)
{
	size_t n = strlen(fleet->iqn_prefix);

	if (strncmp(iqn, fleet->iqn_prefix, n) != 0 || iqn[n] != ':')
		return NULL;
	return iqn + n + 1;
}
