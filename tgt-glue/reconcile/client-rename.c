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
 *   3. an image of NEW without data is removed, if that of OLD exists: apply
 *      made it
 *   4. `vhdfs-img rename' gives the image of OLD, its snapshots and its old
 *      images their new names; it finishes or undoes itself after a crash
 *   5. the same for each data disk
 *   6. the target of NEW is created                        (execute.c)
 *
 * After 4, another run finds no image of OLD in the clients' directory, and
 * continues with 5.
 */
#include "config.h"

#include "tgt-glue/reconcile/client-rename.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/image-names.h"
#include "store/image-rename.h"
#include "tgt-glue/base/vhdfs-img.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/image-reset.h"
#include "tgt-glue/reconcile/orphan-images.h"
#include "tgt-glue/reconcile/spare.h"

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

int client_rename_check(struct clients *clients, const struct client *client)
{
	const char *old = earlier_path(clients, client->child);

	if (!exists(clients, old) && !exists(clients, client->child))
		return fail(-ENOENT,
			    "expected %s or %s in the store, found neither",
			    old, client->child);
	if (!exists(clients, old) || !exists(clients, client->child) ||
	    is_pending(clients, old) || client_image_is_fresh(clients, client))
		return 0;
	return fail(
		-EEXIST,
		"%s: expected no disk with data, for that of %s is to get its name; move %s away, and then type `%s'",
		client->child, clients->from, client->child,
		clients_replace_command(clients, client));
}

/* 3 */
static int remove_empty(struct clients *clients, const struct client *client)
{
	_cleanup_close_ int dir = spare_directory(clients->fleet);
	int r = client_rename_check(clients, client);

	if (r == 0)
		r = image_reset_wait(clients->fleet, client->child);
	/* Nothing was written meanwhile. */
	if (r == 0)
		r = client_rename_check(clients, client);
	if (r == 0 && unlinkat(dir, name_last(client->child), 0) < 0)
		r = fail_errno(-errno, "%s", client->child);
	return r;
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
	const char *old = earlier_path(clients, client->child);
	const bool pending =
		is_pending(clients, old) || is_pending(clients, client->child);
	int r = 0;

	if (exists(clients, old) && exists(clients, client->child) && !pending)
		r = remove_empty(clients, client);
	/* It may have its new names, and only its record is left. */
	if (r == 0 && pending)
		r = rename_image(clients, old, client->child);
	if (r == 0)
		r = rename_images(clients, client);
	if (r < 0)
		return r;
	clients_state(clients, client)->view =
		arena_printf(clients->arena, "%s/%s.raw", clients->fleet->mount,
			     client->child);
	client_image_inspect(clients, client);
	return 0;
}
