/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rename of a client from OLD to NEW, which fleet.conf has in the place of OLD.
 *
 * ORDER, so that a rename that was interrupted at any step and is run again
 * ends in the same state:
 *
 *   1. the target of OLD admits no initiator, has no session, and is deleted
 *                                                          (migrate.c)
 *   2. so is the target of NEW, if watch or apply made it  (execute.c)
 *   3. each image of NEW without data is removed, if that of OLD exists: apply
 *      made it
 *   4. `vhdfs-img rename' gives the image of OLD, its snapshots and its old
 *      images their new names; it finishes or undoes itself after a crash
 *   5. the same for each data disk
 *   6. disks with `reset = boot' are reset            (image-restore.c)
 *   7. the target of NEW is created                        (execute.c)
 *
 * From before 2 until after 6, a NEW with `reset = boot' is recorded as one
 * that is not admitted (boot-resets.h).
 *
 * After 4, another run finds no image of OLD in the clients' directory, and
 * continues with 5.  Before 4 the image of OLD is marked with OLD, and after 5
 * that of NEW: by this mark a rename that was completed is known from one of a
 * client that never was.
 */
#include "config.h"

#include "tgt-glue/reconcile/client-rename.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/image-names.h"
#include "store/image-rename.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/image-reset.h"
#include "tgt-glue/reconcile/old-images.h"
#include "tgt-glue/reconcile/orphan-images.h"
#include "tgt-glue/reconcile/spare.h"

/* The earlier name of the image's client. */
#define RENAMED "user.tgt-glue.renamed-from"

const char *client_rename_iqn(struct arena *arena, const struct fleet *fleet,
			      const char *name)
{
	char *label = arena_strdup(arena, name);

	value_fold_name(label);
	return arena_printf(arena, "%s:%s", fleet->iqn_prefix, label);
}

/* The path of an image of the client's earlier name, with the ending and in the
 * directory of the image at path. */
static const char *earlier_path(const struct clients *clients, const char *path)
{
	const char *file = name_last(path), *ending = strrchr(file, '.');

	return arena_printf(clients->arena, "%.*s%s%s", (int)(file - path),
			    path, clients->from, ending);
}

/* The path of an image of the earlier name, with the client's name now. */
static const char *present_path(const struct clients *clients,
				const struct client *client, const char *path)
{
	const char *file = name_last(path);

	return arena_printf(clients->arena, "%.*s%s%s", (int)(file - path),
			    path, client->name, strrchr(file, '.'));
}

static bool exists(const struct clients *clients, const char *path)
{
	struct stat st;

	return fleet_stat(clients->fleet, path, &st) == 0;
}

static bool is_pending(const struct clients *clients, const char *path)
{
	return image_rename_is_pending(&clients->fleet->rootdir, path);
}

/* Without the mark, another run after 5 says that it finds nothing of OLD. */
static void mark(const struct clients *clients, const char *path)
{
	_cleanup_close_ int fd =
		root_dir_openat(&clients->fleet->rootdir, path, O_RDONLY);

	if (fd >= 0 && fsetxattr(fd, RENAMED, clients->from,
				 strlen(clients->from), 0) == 0)
		(void)fsync(fd);
}

static bool is_marked(const struct clients *clients, const char *path)
{
	_cleanup_close_ int fd =
		root_dir_openat(&clients->fleet->rootdir, path, O_RDONLY);
	const size_t n = strlen(clients->from);
	char text[CLIENT_NAME_MAX + 1];

	return fd >= 0 &&
	       fgetxattr(fd, RENAMED, text, sizeof text) == (ssize_t)n &&
	       !memcmp(text, clients->from, n);
}

/* Was the client renamed?  A reset has put the marked image aside. */
static bool was_renamed(const struct clients *clients,
			const struct client *client)
{
	_cleanup_close_ int dir = spare_directory(clients->fleet);
	struct old_images old = { 0 };

	if (is_marked(clients, client->disks->child))
		return true;
	if (dir < 0 ||
	    old_images_read(clients->arena, dir, client->name, &old) < 0)
		return false;
	for (size_t i = 0; i < old.n; i++)
		if (is_marked(clients, arena_printf(clients->arena,
						    CLIENTS_DIRECTORY "/%s",
						    old.v[i].name)))
			return true;
	return false;
}

/* Is an image of the earlier name, or a record of its rename, in the store? */
static int find_earlier(const struct clients *clients,
			const struct client *client, bool *ret)
{
	const char *child = client->disks->child;
	struct orphans orphans;
	int r = orphans_read(clients->arena, clients->fleet, &orphans);

	*ret = is_pending(clients, child) ||
	       is_pending(clients, earlier_path(clients, child));
	for (size_t i = 0; i < orphans.n; i++)
		*ret = *ret || !strcmp(orphans.v[i].client, clients->from);
	return r;
}

int client_rename_check_earlier(struct arena *arena, const struct fleet *fleet,
				const struct client *client, const char *from)
{
	const struct clients clients = { .fleet = fleet,
					 .arena = arena,
					 .from = from };
	bool found;
	int r = find_earlier(&clients, client, &found);

	if (r < 0 || found || was_renamed(&clients, client))
		return r;
	return fail(
		-ENOENT,
		"expected images of %s in the store, or an image that was renamed from it, found neither: nothing is renamed; `tgt-glue orphans' lists names that have images; if it was renamed long ago, nothing is left to do",
		from);
}

/* An image that the client has already, under its name now, and that a pass
 * made: nothing is lost with it. */
static bool has_no_data(struct clients *clients, const struct disk *disk)
{
	char parent[PATH_MAX];

	if (disk->master)
		return client_image_is_fresh(clients, disk);
	/* A snapshot, which is its parent, may have data. */
	return image_parent_path(clients->fleet, disk->child, parent,
				 sizeof parent) == -ENODATA &&
	       image_holds_nothing(clients->fleet, disk->child);
}

/* Is an image of the client's name now in the way of the earlier one? */
static bool is_in_the_way(const struct clients *clients,
			  const struct disk *disk)
{
	const char *old;

	if (!disk->child)
		return false;
	old = earlier_path(clients, disk->child);
	return exists(clients, old) && exists(clients, disk->child) &&
	       !is_pending(clients, old) && !is_pending(clients, disk->child);
}

static int check_disk(struct clients *clients, const struct disk *disk)
{
	int r = disk->child ? client_image_check_no_link(
				      clients->fleet,
				      earlier_path(clients, disk->child))
			    : 0;

	if (r < 0)
		return r;
	if (!is_in_the_way(clients, disk) || has_no_data(clients, disk))
		return 0;
	return fail(
		-EEXIST,
		"%s: expected no disk with data, for that of %s is to get its name; move %s away, and then type `%s'",
		disk->child, clients->from, disk->child,
		clients_replace_command(clients, disk->client->disks));
}

int client_rename_check(struct clients *clients, const struct client *client)
{
	const char *old = earlier_path(clients, client->disks->child);
	int r = 0;

	if (!exists(clients, old) && !exists(clients, client->disks->child))
		return fail(-ENOENT,
			    "expected %s or %s in the store, found neither",
			    old, client->disks->child);
	for (size_t i = 0; r == 0 && i < client->n_disks; i++)
		r = check_disk(clients, &client->disks[i]);
	return r;
}

bool client_rename_brings(const struct clients *clients,
			  const struct disk *disk)
{
	return clients->from && disk->child &&
	       exists(clients, earlier_path(clients, disk->child));
}

static int remove_file(struct clients *clients, const char *path)
{
	const char *file = name_last(path);
	_cleanup_close_ int dir = root_dir_openat(
		&clients->fleet->rootdir,
		arena_printf(clients->arena, "%.*s", (int)(file - path), path),
		O_RDONLY | O_DIRECTORY);

	if (dir < 0 || unlinkat(dir, file, 0) < 0)
		return fail_errno(dir < 0 ? dir : -errno, "%s", path);
	return 0;
}

/* 3, of one disk */
static int remove_empty(struct clients *clients, const struct disk *disk)
{
	int r;

	if (!is_in_the_way(clients, disk))
		return 0;
	r = check_disk(clients, disk);
	if (r == 0)
		r = image_reset_wait(clients->fleet, disk->child);
	/* Nothing was written meanwhile. */
	if (r == 0)
		r = check_disk(clients, disk);
	return r == 0 ? remove_file(clients, disk->child) : r;
}

/* 4, of one image; both paths are in the store. */
static int rename_image(struct clients *clients, const char *old,
			const char *new)
{
	const char *store = clients->fleet->store;
	const char *argv[] = {
		"vhdfs-img",
		"rename",
		"--store",
		store,
		"--",
		arena_printf(clients->arena, "%s/%s", store, old),
		arena_printf(clients->arena, "%s/%s", store, new),
		NULL
	};
	int r = exists(clients, old) ? image_reset_wait(clients->fleet, old)
				     : 0;

	if (r == 0)
		r = vhdfs_img_run(argv);
	if (r == 0)
		print_line(stdout, "%s is %s now", old, new);
	return r;
}

/* Is the orphan the first that has the name of its image? */
static bool is_first(const struct orphans *orphans, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (!strcmp(orphans->v[k].image, orphans->v[i].image))
			return false;
	return true;
}

/* 4 and 5.  What has the earlier name is an orphan. */
static int rename_images(struct clients *clients, const struct client *client)
{
	struct orphans orphans;
	int r = orphans_read(clients->arena, clients->fleet, &orphans);

	for (size_t i = 0; r == 0 && i < orphans.n; i++) {
		const char *old = orphans.v[i].image, *new;

		if (strcmp(orphans.v[i].client, clients->from) != 0 ||
		    !is_first(&orphans, i))
			continue;
		new = present_path(clients, client, old);
		/* Old images of another format, without an image. */
		if (!exists(clients, old) && !exists(clients, new))
			print_line(
				stderr,
				"tgt-glue: %s: %s keeps its name, for there is no %s",
				client->name, orphans.v[i].path, old);
		else
			r = rename_image(clients, old, new);
	}
	return r;
}

int client_rename_run(struct clients *clients, const struct client *client)
{
	const char *old = earlier_path(clients, client->disks->child);
	const bool pending = is_pending(clients, old) ||
			     is_pending(clients, client->disks->child);
	int r = 0;

	mark(clients, old);
	for (size_t i = 0; r == 0 && i < client->n_disks; i++)
		r = remove_empty(clients, &client->disks[i]);
	/* It may have its new names, and only its record is left. */
	if (r == 0 && pending)
		r = rename_image(clients, old, client->disks->child);
	if (r == 0)
		r = rename_images(clients, client);
	if (r < 0)
		return r;
	mark(clients, client->disks->child);
	clients_disk(clients, client->disks)->view =
		arena_printf(clients->arena, "%s/%s.raw", clients->fleet->mount,
			     client->disks->child);
	for (size_t i = 0; i < client->n_disks; i++)
		client_image_inspect(clients, &client->disks[i]);
	return 0;
}
