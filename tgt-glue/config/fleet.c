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
	return arena_printf(&fleet->conf.arena, "clients/%s.%s",
			    disk->client->name, format->name);
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
