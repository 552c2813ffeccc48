/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exports of the clients' disks.
 *
 * The inode number of a view is its image's in every mount of the store.  So a
 * file is a client's disk if it has the inode number of the client's image and
 * is on the image's device (the image itself) or on the device of a mount of
 * vhdfs that shows a directory of the image's device.
 */
#include "config.h"

#include "tgt-glue/reconcile/exports.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/rootdir.h"
#include "tgt-glue/tgtd/backing-files.h"
#include "tgt-glue/config/tid.h"

/* A mount of vhdfs, and the device of the directory that it shows. */
struct mounted {
	dev_t dev;
	dev_t of;
};

/* The view and the image of each disk, and the mounts. */
struct disks {
	const struct fleet *fleet;
	struct arena arena;
	struct index views;     /* places in fleet->disks */
	struct file_id *images; /* null: not read yet, as the mounts */
	struct mounted *mounts;
	size_t n_mounts;
};

static void add_mount(struct disks *disks, dev_t dev, const char *directory)
{
	struct file_id id;

	if (file_identify(AT_FDCWD, directory, 0, &id) < 0)
		return;
	disks->mounts = arena_grow(&disks->arena, disks->mounts,
				   disks->n_mounts, sizeof *disks->mounts);
	disks->mounts[disks->n_mounts++] = (struct mounted){ dev, id.dev };
}

/* "\040" is a space in mountinfo. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; to++) {
		unsigned code;

		if (*text == '\\' && sscanf(text + 1, "%3o", &code) == 1) {
			*to = (char)code;
			text += 4;
		} else {
			*to = *text++;
		}
	}
	*to = '\0';
}

static void read_mounts(struct disks *disks)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	struct file_id id;

	while (f && getline(&line, &size, f) > 0) {
		char *type = strstr(line, " - fuse.vhdfs "), *source;
		unsigned dev_major, dev_minor;

		if (!type ||
		    sscanf(line, "%*d %*d %u:%u", &dev_major, &dev_minor) != 2)
			continue;
		source = type + strlen(" - fuse.vhdfs ");
		source[strcspn(source, " \n")] = '\0';
		unescape(source);
		add_mount(disks, makedev(dev_major, dev_minor), source);
	}
	if (!disks->fleet->mount_silent &&
	    file_identify(AT_FDCWD, disks->fleet->mount, 0, &id) == 0)
		add_mount(disks, id.dev, disks->fleet->store);
}

static void index_views(struct disks *disks)
{
	const struct fleet *fleet = disks->fleet;

	for (size_t i = 0; i < fleet->n_disks; i++)
		if (fleet->disks[i].child)
			index_add(&disks->arena, &disks->views,
				  fleet->disks[i].view, i);
}

/* Only for files with another path than the views. */
static void read_images(struct disks *disks)
{
	const struct fleet *fleet = disks->fleet;

	disks->images = arena_alloc(
		&disks->arena, (fleet->n_disks + 1) * sizeof *disks->images);
	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];
		struct stat st;

		if (disk->child && fleet_stat(fleet, disk->image, &st) == 0)
			disks->images[i] = file_id_of(&st);
	}
	read_mounts(disks);
}

/* True if a file on device dev with an image's inode number is that image, or
 * its view; device is the image's. */
static bool same_files(const struct disks *disks, dev_t dev, dev_t device)
{
	if (dev == device)
		return true;
	for (size_t i = 0; i < disks->n_mounts; i++)
		if (disks->mounts[i].dev == dev &&
		    disks->mounts[i].of == device)
			return true;
	return false;
}

/* The client's disk that the file is, or null.  A shared file is none: several
 * targets may export it.  First by the path: after a snapshot a view has the
 * number of another file than its image, and that may be the number of another
 * client's image. */
static const struct disk *find_disk(struct disks *disks, const char *path,
				    const struct file_id *file)
{
	const struct fleet *fleet = disks->fleet;
	const size_t at = index_find(&disks->views, path);

	if (at != NOT_FOUND)
		return &fleet->disks[at];
	if (!disks->images)
		read_images(disks);
	for (size_t i = 0; i < fleet->n_disks; i++)
		if (fleet->disks[i].child && file->ino && file->dev &&
		    disks->images[i].ino == file->ino &&
		    same_files(disks, file->dev, disks->images[i].dev))
			return &fleet->disks[i];
	return NULL;
}

static bool has_our_serial(const struct tgtd_target *target,
			   const struct tgtd_lun *lun)
{
	char serial[40];

	snprintf(serial, sizeof serial, "vhdfs-%016" PRIx64,
		 tid_serial(target->name));
	return lun->scsi_id && !strcmp(lun->scsi_id, serial);
}

static bool is_ours(const struct fleet *fleet, const struct last_applied *last,
		    const struct tgtd_target *target)
{
	const struct tgtd_lun *lun = tgtd_state_lun(target, SYSTEM_LUN);

	if (strings_have(&last->names, target->name))
		return true;
	return lun && has_our_serial(target, lun) &&
	       (fleet_client_name(fleet, target->name) ||
		fleet_mount_has(fleet, lun->path));
}

int exports_inspect(const struct fleet *fleet, const struct last_applied *last,
		    struct tgtd_state *live)
{
	struct disks disks = { .fleet = fleet };
	int r = 0;

	for (size_t i = 0; i < live->n; i++)
		live->targets[i].ours = is_ours(fleet, last, &live->targets[i]);
	/* Of a mount that hangs, the files stay unknown. */
	if (!fleet->mount_silent)
		r = backing_files_inspect(fleet, live);
	index_views(&disks);
	for (size_t i = 0; i < live->n; i++)
		for (size_t k = 0; k < live->targets[i].n_luns; k++) {
			struct tgtd_lun *lun = &live->targets[i].luns[k];

			if (lun->path)
				lun->disk =
					find_disk(&disks, lun->path, &lun->id);
		}
	arena_fini(&disks.arena);
	return r;
}

const struct client *exports_writable(const struct tgtd_target *target)
{
	for (size_t i = 0; i < target->n_luns; i++)
		if (target->luns[i].disk && !target->luns[i].readonly)
			return target->luns[i].disk->client;
	return NULL;
}

const char *exports_name(const struct tgtd_target *target)
{
	const char *colon = strrchr(target->name, ':');

	return colon && colon[1] ? colon + 1 : target->name;
}

/* True if plan_make removes the target before it creates the client's. */
static bool is_removed_first(const struct clients *clients,
			     const struct exporter *exporter,
			     const struct tgtd_target *target,
			     const struct client *client, const char *force)
{
	return target->ours &&
	       !fleet_client_by_iqn(clients->fleet, target->name) &&
	       clients_state(clients, client)->shard == exporter->shard &&
	       (!target->n_connections ||
		(force && !strcmp(force, client->name)));
}

static void block(struct clients *clients, const struct exporter *exporter,
		  const struct tgtd_target *target, const struct tgtd_lun *lun)
{
	struct arena *arena = clients->arena;
	const char *end;

	if (!target->ours)
		end = arena_printf(
			arena,
			", which tgt-glue did not make; `tgt-admin -C %d --delete %s\' removes it, then type `tgt-glue apply\'",
			exporter->shard->control_port,
			shell_word(target->name));
	else if (target->n_connections)
		end = arena_printf(
			arena,
			", logged in: %s; shut it down, then type `tgt-glue apply\'",
			tgtd_state_initiators(arena, target));
	else
		end = "; type `tgt-glue apply\'";
	clients_disk(clients, lun->disk)->blocked = true;
	clients_state(clients, lun->disk->client)->blocked = arena_printf(
		arena,
		"its disk %s is exported for writing by target %s of %s%s",
		lun->path, target->name, exporter->shard->tgtd, end);
}

static void block_by_target(struct clients *clients,
			    const struct exporter *exporter,
			    const struct tgtd_target *target, const char *force)
{
	for (size_t i = 0; i < target->n_luns; i++) {
		const struct tgtd_lun *lun = &target->luns[i];
		const struct disk *disk = lun->disk;

		if (disk && !lun->readonly && !disk->readonly &&
		    strcmp(disk->client->iqn, target->name) != 0 &&
		    !is_removed_first(clients, exporter, target, disk->client,
				      force))
			block(clients, exporter, target, lun);
	}
}

/* A tgtd that is none of the fleet's, on any control port. */
static void block_by_others(struct clients *clients, const pid_t *ours,
			    size_t n)
{
	struct disks disks = { .fleet = clients->fleet };
	struct open_files files = { 0 };

	backing_files_of_other_tgtds(ours, n, &files);
	index_views(&disks);
	for (size_t i = 0; i < files.n; i++) {
		const struct open_file *f = &files.v[i];
		const struct disk *disk = find_disk(&disks, f->path, &f->id);

		if (!disk || !f->writable || disk->readonly)
			continue;
		clients_disk(clients, disk)->blocked = true;
		clients_state(clients, disk->client)->blocked = arena_printf(
			clients->arena,
			"its disk %s is exported for writing by another tgtd (process %ld), which is not of this fleet; delete its target with tgtadm or stop it, then type `tgt-glue apply\'",
			f->path, (long)f->pid);
	}
	arena_fini(&files.arena);
	arena_fini(&disks.arena);
}

void exports_block(struct clients *clients, const struct exporter *exporters,
		   size_t n, const char *force)
{
	pid_t pids[SHARDS_MAX];
	size_t n_pids = 0;
	bool all_known = true;

	for (size_t i = 0; i < clients->fleet->n; i++)
		clients->v[i].blocked = NULL;
	for (size_t i = 0; i < clients->fleet->n_disks; i++)
		clients->disks[i].blocked = false;
	for (size_t i = 0; i < n; i++) {
		const struct exporter *e = &exporters[i];

		if (e->answers && tgtd_state_pid(e->live, &pids[n_pids]) == 0)
			n_pids++;
		else if (!e->off)
			all_known = false;
		for (size_t k = 0; e->answers && k < e->live->n; k++)
			block_by_target(clients, e, &e->live->targets[k],
					force);
	}
	/* Else a tgtd of the fleet with an unknown process id would block its
	 * own clients. */
	if (all_known)
		block_by_others(clients, pids, n_pids);
}
