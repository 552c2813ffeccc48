/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' images: inspect, create. */
#include "config.h"

#include "tgt-glue/reconcile/client-image.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "base/error.h"
#include "base/printable.h"
#include "chain/chain.h"
#include "chain/parent-cache.h"
#include "format/registry.h"
#include "io/file-id.h"
#include "io/rootdir.h"
#include "store/child.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/kept-image.h"
#include "tgt-glue/reconcile/spare.h"

static bool is_master(const struct fleet *fleet, const struct client *client,
		      const char *path)
{
	struct stat image, master;

	return !strcmp(path, client->master) ||
	       (fleet_stat(fleet, path, &image) == 0 &&
		fleet_stat(fleet, client->master, &master) == 0 &&
		file_id_equal(file_id_of(&image), file_id_of(&master)));
}

/* Is the image at path, a parent of the client's, the master or a child of it?
 * Snapshots of the client are between the two. */
static bool descends_from_master(const struct clients *clients,
				 const struct client *client, const char *path)
{
	const struct fleet *fleet = clients->fleet;
	char at[PATH_MAX], next[PATH_MAX];

	snprintf(at, sizeof at, "%s", path);
	for (int i = 0; i <= CHAIN_DEPTH_MAX; i++) {
		if (is_master(fleet, client, at))
			return true;
		if (image_parent_path(fleet, at, next, sizeof next) < 0)
			return false;
		snprintf(at, sizeof at, "%s", next);
	}
	return false;
}

static enum client_image_state inspect(const struct clients *clients,
				       const struct client *client,
				       const char **ret_why)
{
	const struct fleet *fleet = clients->fleet;
	struct arena *arena = clients->arena;
	struct stat child;
	char path[PATH_MAX];
	int r = fleet_stat(fleet, client->child, &child);

	*ret_why = NULL;
	if (r == -ENOENT && client->image == client->child)
		return CHILD_MISSING;
	if (r == -ENOENT) {
		*ret_why = arena_printf(
			arena,
			"its image %s is in another format than its master %s",
			client->image, client->master);
		return CHILD_OTHER;
	}
	if (r < 0)
		fail_errno(r, "%s", client->child);
	else
		r = image_parent_path(fleet, client->child, path, sizeof path);
	if (r < 0) {
		*ret_why = arena_strdup(arena, error_text());
		return CHILD_OTHER;
	}
	if (descends_from_master(clients, client, path))
		return CHILD_READY;
	*ret_why = arena_printf(arena,
				"its image %s: parent: expected %s, found %s",
				client->child, client->master, path);
	return CHILD_OTHER;
}

static uint32_t sector_size_of(const struct fleet *fleet, const char *path)
{
	struct image *image;
	uint32_t size;

	if (image_open_unlocked(fleet, path, &image, NULL) < 0)
		return 0;
	size = image->sector_size;
	image_close(image);
	return size;
}

/* Reads each master once. */
static uint32_t master_sector_size(struct clients *clients,
				   const struct client *client)
{
	struct client_state *state = clients_state(clients, client);

	for (size_t i = 0; !state->master_sector_size && i < clients->fleet->n;
	     i++)
		if (clients->v[i].master_sector_size &&
		    !strcmp(clients->fleet->clients[i].master, client->master))
			state->master_sector_size =
				clients->v[i].master_sector_size;
	if (!state->master_sector_size)
		state->master_sector_size =
			sector_size_of(clients->fleet, client->master);
	return state->master_sector_size;
}

void client_image_inspect(struct clients *clients, const struct client *client)
{
	struct client_state *state = clients_state(clients, client);
	uint32_t size = 0;

	state->image = inspect(clients, client, &state->image_why);
	/* A chain has one sector size, so a child of the master has the
	 * master's. */
	if (state->image == CHILD_OTHER)
		size = sector_size_of(clients->fleet, client->child);
	if (!size)
		size = master_sector_size(clients, client);
	if (size)
		state->sector_size = size;
}

void client_images_inspect(struct clients *clients)
{
	for (size_t i = 0; i < clients->fleet->n; i++)
		client_image_inspect(clients, &clients->fleet->clients[i]);
}

bool client_image_is_fresh(struct clients *clients, const struct client *client)
{
	struct image *image;
	bool fresh;

	client_image_inspect(clients, client);
	if (clients_state(clients, client)->image != CHILD_READY ||
	    !image_shows(
		    clients->fleet, client->child,
		    kept_image_base(clients->arena, clients->fleet, client)) ||
	    image_open_unlocked(clients->fleet, client->child, &image, NULL) <
		    0)
		return false;
	fresh = !client->block_size || image->block_size == client->block_size;
	image_close(image);
	return fresh;
}

/* Checks that the parents of a new child can be opened. */
static int check_chain(const struct fleet *fleet, const char *path)
{
	_cleanup_(parent_cache_free_p) struct parent_cache *cache = NULL;
	struct chain *chain;
	int r = parent_cache_new(&fleet->rootdir, 1, &cache);

	if (r == 0)
		r = chain_open(cache, path, 0, &chain);
	return r < 0 ? r : chain_close(chain);
}

int client_image_create(struct clients *clients, const struct client *client,
			const char *spare)
{
	const struct fleet *fleet = clients->fleet;
	const struct child_params params = { .block_size = client->block_size,
					     .room = spare };
	struct arena *arena = clients->arena;
	const char *dir = arena_printf(arena, "%s/clients", fleet->store);
	const char *base = kept_image_base(arena, fleet, client);
	int r = check_chain(fleet, base);

	if (r < 0)
		return r;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fail_errno(-errno, "%s", dir);
	return child_create(
		&fleet->rootdir, base,
		arena_printf(arena, "%s/%s", fleet->store, client->child),
		&params);
}

int client_image_ensure(struct clients *clients, const struct client *client,
			bool *ret_spare)
{
	const struct fleet *fleet = clients->fleet;
	int r = client_image_create(clients, client, NULL);
	struct error why = *error_last();
	bool made = false;

	if (error_is_no_space(r))
		for (unsigned i = 0; !made && i < fleet->spares; i++)
			made = client_image_create(
				       clients, client,
				       spare_name(clients->arena, i)) == 0;
	/* On a copy-on-write file system, writing to a spare takes new room;
	 * removing it frees its own. */
	if (error_is_no_space(r))
		for (unsigned i = 0; !made && i < fleet->spares; i++)
			made = spare_remove(clients->arena, fleet, i) &&
			       client_image_create(clients, client, NULL) == 0;
	*ret_spare = made;
	if (made || !error_is_no_space(r))
		return made ? 0 : r;
	error_set(&why);
	error_advise(
		"there is no spare file; remove what is not needed, such as old images (clients/.NAME.vhdx.DATE in %s)",
		fleet->store);
	return r;
}

bool client_images_mounted(const struct fleet *fleet)
{
	_cleanup_free_ char *up = NULL;
	struct stat here, above;

	if (asprintf(&up, "%s/..", fleet->mount) < 0)
		return true;
	return stat(fleet->mount, &here) == 0 && stat(up, &above) == 0 &&
	       here.st_dev != above.st_dev;
}

int client_images_check_mounted(const struct fleet *fleet)
{
	if (client_images_mounted(fleet))
		return 0;
	return fail(
		-ENOENT,
		"nothing is mounted at %s; type `mount %s' where fstab names it, else `vhdfs %s %s', and then `tgt-glue apply'",
		fleet->mount, shell_word(fleet->mount),
		shell_word(fleet->store), shell_word(fleet->mount));
}

static int check_view(const struct fleet *fleet, const struct client *client,
		      const char *view)
{
	char why[512];
	struct stat st;
	ssize_t n;

	if (stat(view, &st) < 0) {
		int r = fail_errno(-errno, "%s", view);

		return client_images_mounted(fleet)
			       ? r
			       : client_images_check_mounted(fleet);
	}
	if (!S_ISREG(st.st_mode))
		return fail(-EINVAL,
			    "%s: expected a file, found something else", view);
	if (st.st_size)
		return 0;
	n = getxattr(view, "user.vhdfs.error", why, sizeof why - 1);
	why[n < 0 ? 0 : n] = '\0';
	return fail(
		-EIO,
		"%s: its image cannot be opened: %s; `vhdfs-img check %s' says more",
		view, n > 0 ? why : "the file is empty",
		shell_path(fleet->store, client->child));
}

int client_image_view_ready(const struct clients *clients,
			    const struct client *client)
{
	const struct fleet *fleet = clients->fleet;
	const char *view = clients_state(clients, client)->view;
	const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };

	/* The mount shows a new image a moment after its creation. */
	for (int i = 0;; i++) {
		int r = check_view(fleet, client, view);

		if (r != -ENOENT || i == 100 || !client_images_mounted(fleet))
			return r;
		nanosleep(&moment, NULL);
	}
}
