/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fleet: its clients, and stat of files of its store. */
#include "config.h"

#include "tgt-glue/config/fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "format/registry.h"
#include "io/rootdir.h"

/* Open directories: the path of a file in one of them is one request to the
 * kernel. */
enum { DIRECTORIES = 16 };
struct directories {
	struct directory {
		char *path; /* in the store; owned */
		int fd;
	} v[DIRECTORIES];
	size_t n;
};

struct directories *fleet_directories(void)
{
	/* Without memory none is kept open. */
	return calloc(1, sizeof(struct directories));
}

static void close_directories(struct directories *all)
{
	for (size_t i = 0; all && i < all->n; i++) {
		close(all->v[i].fd);
		free(all->v[i].path);
	}
	free(all);
}

void fleet_fini(struct fleet *fleet)
{
	close_directories(fleet->directories);
	fleet->directories = NULL;
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

bool fleet_is_client_path(const char *path)
{
	if (!strncmp(path, "clients/", strlen("clients/")))
		return true;
	return !strncmp(path, "disks/", strlen("disks/")) &&
	       strchr(path + strlen("disks/"), '/');
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

const char *disk_owner_words(struct arena *arena, const struct disk *disk)
{
	return disk->name ? arena_printf(arena, "disk %s of %s", disk->name,
					 disk->client->name)
			  : disk->client->name;
}

const char *disk_directory(struct arena *arena, const struct disk *disk)
{
	return arena_printf(arena, "%.*s",
			    (int)(strrchr(disk->child, '/') - disk->child),
			    disk->child);
}

int disk_directory_open(const struct fleet *fleet, const struct disk *disk)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };

	return root_dir_openat(&fleet->rootdir, disk_directory(&arena, disk),
			       O_RDONLY | O_DIRECTORY);
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

/* The directory of the path's first n bytes; -1: it is not to be kept open, or
 * cannot be opened. */
static int directory_of(const struct fleet *fleet, const char *path, size_t n)
{
	struct directories *all = fleet->directories;
	struct directory *new;

	for (size_t i = 0; all && i < all->n; i++)
		if (!strncmp(all->v[i].path, path, n) && !all->v[i].path[n])
			return all->v[i].fd;
	if (!all || all->n == DIRECTORIES)
		return -1;
	new = &all->v[all->n];
	new->path = strndup(path, n);
	new->fd = new->path ? root_dir_openat(&fleet->rootdir, new->path,
					      O_PATH | O_DIRECTORY)
			    : -1;
	if (new->fd < 0) {
		free(new->path);
		return -1;
	}
	all->n++;
	return new->fd;
}

bool fleet_mount_has(const struct fleet *fleet, const char *path)
{
	size_t n = strlen(fleet->mount);

	return path && !strncmp(path, fleet->mount, n) && path[n] == '/';
}

/* A link is followed inside the store only. */
int fleet_stat(const struct fleet *fleet, const char *path, struct stat *ret)
{
	const char *slash = strrchr(path, '/');
	_cleanup_close_ int fd = -1;
	int dir = -1;

	if (slash && slash != path && strcmp(slash, "/..") != 0)
		dir = directory_of(fleet, path, (size_t)(slash - path));
	if (dir >= 0) {
		int r = fstatat(dir, slash + 1, ret, AT_SYMLINK_NOFOLLOW);

		if (r < 0 || !S_ISLNK(ret->st_mode))
			return r < 0 ? -errno : 0;
	}
	fd = root_dir_openat(&fleet->rootdir, path, O_PATH);
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

/* The name behind the prefix of initiators that have no other. */
static const char initiators[] = "initiator";

const char *fleet_initiator_name(struct arena *arena, const struct fleet *fleet,
				 const struct client *client)
{
	if (client->initiators.n)
		return client->initiators.v[0];
	/* A client's name has no colon, so no target has this name. */
	return arena_printf(arena, "%s:%s:%s", fleet->iqn_prefix, initiators,
			    client->label);
}

static bool has_initiator(const struct client *client, const char *initiator,
			  const char *label)
{
	for (size_t i = 0; i < client->initiators.n; i++)
		if (!strcasecmp(client->initiators.v[i], initiator))
			return true;
	return label && !client->initiators.n && !strcmp(client->label, label);
}

const struct client *fleet_client_by_initiator(const struct fleet *fleet,
					       const char *initiator)
{
	const char *label = fleet_client_name(fleet, initiator);
	const struct client *found = NULL;

	if (label && !strncmp(label, initiators, strlen(initiators)) &&
	    label[strlen(initiators)] == ':')
		label += strlen(initiators) + 1;
	else
		label = NULL;
	for (size_t i = 0; i < fleet->n; i++) {
		if (!has_initiator(&fleet->clients[i], initiator, label))
			continue;
		if (found)
			return NULL;
		found = &fleet->clients[i];
	}
	return found;
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
