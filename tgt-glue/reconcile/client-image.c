/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' images: inspect, create. */
#include "config.h"

#include "tgt-glue/reconcile/client-image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "chain/chain.h"
#include "chain/parent-cache.h"
#include "format/registry.h"
#include "io/atomic-file.h"
#include "io/file-id.h"
#include "io/lent-bit.h"
#include "io/rootdir.h"
#include "store/child.h"
#include "store/leaf-replace.h"
#include "store/settled-parent.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/config/versions.h"
#include "tgt-glue/reconcile/ancestors.h"
#include "tgt-glue/reconcile/image-parent.h"
#include "tgt-glue/reconcile/kept-image.h"
#include "tgt-glue/reconcile/disk-quota.h"
#include "tgt-glue/reconcile/spare.h"

static bool same_file(const struct fleet *fleet, const char *a, const char *b)
{
	struct stat x, y;

	return !strcmp(a, b) || (fleet_stat(fleet, a, &x) == 0 &&
				 fleet_stat(fleet, b, &y) == 0 &&
				 file_id_equal(file_id_of(&x), file_id_of(&y)));
}

/* Of image_ancestor. */
struct kin {
	const struct fleet *fleet;
	const struct disk *disk;
};

/* Is the image at path a version of the client's master? */
static bool is_version(const void *arg, const char *path)
{
	const struct kin *kin = arg;

	return family_has(kin->disk->family, path) ||
	       same_file(kin->fleet, path, kin->disk->master);
}

/* Finds the version of the master that the client's image descends from.
 * Snapshots of the client are between the two. */
static int find_version(const struct clients *clients, const struct disk *disk,
			const char **ret)
{
	const struct kin kin = { clients->fleet, disk };
	struct disk_state *state = clients_disk(clients, disk);
	int r = image_parent_of(clients->fleet, clients->arena, disk->child,
				&state->parent);

	*ret = NULL;
	if (r == 0 && !state->parent)
		r = fail(
			-ESTALE,
			"%s: expected a differencing image, found another type",
			disk->child);
	if (r < 0)
		return r;
	if (is_version(&kin, state->parent)) {
		*ret = state->parent;
		return 0;
	}
	/* An image between that cannot be read is no version. */
	if (image_ancestor(clients->fleet, clients->arena, state->parent,
			   is_version, &kin, ret) < 0)
		*ret = NULL;
	return 0;
}

/* The image cannot be read, as the last message says. */
static enum client_image_state fail_inspect(struct disk_state *state,
					    struct arena *arena, int r,
					    const char **ret_why)
{
	state->image_denied = r == -EACCES;
	*ret_why = arena_strdup(arena, error_text());
	return CHILD_OTHER;
}

static enum client_image_state inspect_child(const struct clients *clients,
					     const struct disk *disk,
					     const char **ret_why)
{
	const struct fleet *fleet = clients->fleet;
	struct disk_state *state = clients_disk(clients, disk);
	struct arena *arena = clients->arena;
	struct stat child;
	int r = fleet_stat(fleet, disk->child, &child);

	state->version = state->parent = NULL;
	if (r == -ENOENT && disk->image == disk->child)
		return CHILD_MISSING;
	if (r == -ENOENT) {
		*ret_why = arena_printf(
			arena,
			"its image %s is in another format than its master %s",
			disk->image, disk->master);
		return CHILD_OTHER;
	}
	if (r < 0)
		fail_errno(r, "%s", disk->child);
	else
		r = find_version(clients, disk, &state->version);
	if (r < 0)
		return fail_inspect(state, arena, r, ret_why);
	if (state->version)
		return CHILD_READY;
	*ret_why = arena_printf(arena,
				"its image %s: parent: expected %s, found %s",
				disk->child, disk->master_name, state->parent);
	return CHILD_OTHER;
}

/* Of a disk without a master: does its file exist? */
static enum client_image_state inspect_file(const struct clients *clients,
					    const struct disk *disk,
					    const char **ret_why)
{
	struct stat st;
	int r = fleet_stat(clients->fleet, disk->image, &st);

	if (r == 0)
		return CHILD_READY;
	if (r == -ENOENT && disk->kind == DISK_OWN)
		return CHILD_MISSING;
	fail_errno(r, "%s", disk->image);
	return fail_inspect(clients_disk(clients, disk), clients->arena, r,
			    ret_why);
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

/* The image that clients share; null: they share none. */
static const char *shared_image(const struct disk *disk)
{
	return disk->master                ? disk->master
	       : disk->kind == DISK_SHARED ? disk->image
					   : NULL;
}

/* Reads each shared image once. */
static uint32_t shared_sector_size(struct clients *clients,
				   const struct disk *disk)
{
	const char *image = shared_image(disk);
	struct disk_state *state = clients_disk(clients, disk);

	for (size_t i = 0;
	     image && !state->shared_sector_size && i < clients->fleet->n_disks;
	     i++)
		if (clients->disks[i].shared_sector_size &&
		    !strcmp(shared_image(&clients->fleet->disks[i]), image))
			state->shared_sector_size =
				clients->disks[i].shared_sector_size;
	if (image && !state->shared_sector_size)
		state->shared_sector_size =
			sector_size_of(clients->fleet, image);
	return state->shared_sector_size;
}

void client_image_inspect(struct clients *clients, const struct disk *disk)
{
	struct disk_state *state = clients_disk(clients, disk);
	uint32_t size = 0;

	state->image_why = NULL;
	state->image_denied = false;
	state->image = disk->kind == DISK_CHILD
			       ? inspect_child(clients, disk, &state->image_why)
			       : inspect_file(clients, disk, &state->image_why);
	state->behind =
		disk->kind == DISK_CHILD && state->image == CHILD_READY &&
		!same_file(clients->fleet, state->version, disk->master);
	/* A chain has one sector size, so a child of the master has the
	 * master's. */
	/* Reading it takes much longer than all else of a pass. */
	if (disk->kind == DISK_OWN)
		size = state->exported_sector_size
			       ? state->exported_sector_size
			       : sector_size_of(clients->fleet, disk->image);
	else if (state->image == CHILD_OTHER && disk->child)
		size = sector_size_of(clients->fleet, disk->child);
	if (!size)
		size = shared_sector_size(clients, disk);
	if (size)
		state->sector_size = size;
}

void client_images_inspect(struct clients *clients)
{
	for (size_t i = 0; i < clients->fleet->n_disks; i++)
		client_image_inspect(clients, &clients->fleet->disks[i]);
}

/* Has the inspected image no data, and this image as its parent? */
static bool shows(const struct clients *clients, const struct disk *disk,
		  const char *parent)
{
	const struct disk_state *state = clients_disk(clients, disk);

	return state->image == CHILD_READY && parent &&
	       !fleet_no_file(clients->fleet, parent) &&
	       same_file(clients->fleet, state->parent, parent) &&
	       image_holds_nothing(clients->fleet, disk->child);
}

bool client_image_is_fresh(struct clients *clients, const struct disk *disk)
{
	struct image *image;
	bool fresh;

	client_image_inspect(clients, disk);
	if (!shows(clients, disk,
		   kept_image_base(clients->arena, clients->fleet, disk)) ||
	    image_open_unlocked(clients->fleet, disk->child, &image, NULL) < 0)
		return false;
	fresh = !disk->block_size || image->block_size == disk->block_size;
	image_close(image);
	return fresh;
}

bool client_image_is_empty(const struct clients *clients,
			   const struct disk *disk)
{
	/* Snapshots between the image and a version have data. */
	return shows(clients, disk, clients_disk(clients, disk)->version);
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

/* Creates the directory of the disk's image. */
static int make_directory(struct clients *clients, const struct disk *disk)
{
	const char *path = arena_printf(clients->arena, "%s/%s",
					clients->fleet->store, disk->child);
	const size_t store = strlen(clients->fleet->store);

	for (const char *end = path + store; (end = strchr(end + 1, '/'));) {
		const char *dir = arena_printf(clients->arena, "%.*s",
					       (int)(end - path), path);

		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			return fail_errno(-errno, "%s", dir);
	}
	return 0;
}

/* Creates an empty image without a parent. */
static int create_own(const struct fleet *fleet, const struct disk *disk,
		      const char *path)
{
	const struct root_dir *store = &fleet->rootdir;
	const struct image_params params = { .type = IMAGE_DYNAMIC,
					     .size = disk->size,
					     .block_size = disk->block_size };
	struct atomic_file file = { 0 };
	int r = atomic_file_create(path, store->confined ? store->path : NULL,
				   NULL, &file);

	if (r == 0)
		r = image_create(file.io, value_image_format(path), &params);
	if (r == 0)
		r = atomic_file_publish(&file);
	atomic_file_fini(&file);
	return r;
}

/* Creates the disk's image, at path. */
static int create_at(struct clients *clients, const struct disk *disk,
		     const char *path, const char *spare)
{
	const struct fleet *fleet = clients->fleet;
	const struct child_params params = { .block_size = disk->block_size,
					     .room = spare };
	const char *base =
		disk->master ? kept_image_base(clients->arena, fleet, disk)
			     : NULL;
	const char *file =
		arena_printf(clients->arena, "%s/%s", fleet->store, path);
	int r = base ? check_chain(fleet, base) : 0;

	if (r == 0)
		r = make_directory(clients, disk);
	if (r < 0)
		return r;
	return base ? child_create(&fleet->rootdir, base, file, &params)
		    : create_own(fleet, disk, file);
}

int client_image_create(struct clients *clients, const struct disk *disk,
			const char *spare)
{
	int r = create_at(clients, disk, disk->child, spare);

	/* Before a client writes.  The end of the pass reports a failure. */
	if (r == 0)
		(void)quota_apply(clients->fleet, disk);
	return r;
}

int client_image_replace(struct clients *clients, const struct disk *disk)
{
	struct arena *arena = clients->arena;
	const char *name = strrchr(disk->child, '/') + 1;
	const char *directory = disk_directory(arena, disk);
	const char *next = arena_printf(arena, ".%s.next.new", name);
	_cleanup_close_ int dir = disk_directory_open(clients->fleet, disk);
	int r = dir < 0 ? fail_errno(dir, "%s", directory) : 0;

	/* Of an attempt that was interrupted. */
	if (r == 0 && unlinkat(dir, next, 0) < 0 && errno != ENOENT)
		r = fail_errno(-errno, "%s/%s", directory, next);
	if (r == 0)
		r = create_at(clients, disk,
			      arena_printf(arena, "%s/%s", directory, next),
			      NULL);
	if (r < 0)
		return r;
	if (renameat(dir, next, dir, name) < 0)
		r = fail_errno(-errno, "%s/%s: renaming it", directory, next);
	else if (fsync(dir) < 0)
		r = fail_errno(-errno, "%s", directory);
	if (r < 0)
		unlinkat(dir, next, 0);
	else
		(void)quota_apply(clients->fleet, disk);
	return r;
}

int client_image_check_no_link(const struct fleet *fleet, const char *path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *real = NULL, *from = NULL;
	struct stat st;

	if (version_stat(&fleet->rootdir, path, O_NOFOLLOW, &st) < 0 ||
	    !S_ISLNK(st.st_mode))
		return 0;
	fd = root_dir_openat(&fleet->rootdir, path, O_PATH);
	real = fd < 0 ? NULL : root_dir_real_path(&fleet->rootdir, fd, path);
	from = real ? strdup(shell_path(fleet->store, real)) : NULL;
	if (!from)
		return fail(
			-EPERM,
			"%s: expected an image, found a symbolic link that leads nowhere",
			path);
	return fail(
		-EPERM,
		"%s: expected an image, found a symbolic link to %s, which would have to be replaced; shut the client down, put the image in the place of the link (`mv -T %s %s'), and type the command again",
		path, real, from, shell_path(fleet->store, path));
}

/* tgtd opens a file for writing if it can: without write permission no request
 * can change it, and the mount locks it as one that is read. */
int client_image_protect(const struct fleet *fleet, const struct disk *disk,
			 bool *ret_done)
{
	struct protected_parent image = { 0 };
	struct stat st;
	int r = fleet_stat(fleet, disk->image, &st);

	*ret_done = false;
	if (r < 0)
		return fail_errno(r, "%s", disk->image);
	/* A recovery of a killed snapshot gives write bits back. */
	if (!mode_write_bits(st.st_mode) &&
	    !leaf_replace_has_intent(&fleet->rootdir, disk->image))
		return 0;
	r = settled_parent_open(&fleet->rootdir, disk->image, &image);
	if (r == 0)
		r = protected_parent_protect(&image);
	protected_parent_close(&image);
	*ret_done = r == 0;
	return r;
}

int client_image_ensure(struct clients *clients, const struct disk *disk,
			bool *ret_spare)
{
	const struct fleet *fleet = clients->fleet;
	int r = client_image_create(clients, disk, NULL);
	struct error why = *error_last();
	bool made = false;

	/* A data disk whose directory is on another file system has no use for
	 * a spare: its rename fails. */
	if (error_is_no_space(r))
		for (unsigned i = 0; !made && i < fleet->spares; i++)
			made = client_image_create(clients, disk,
						   spare_path(clients->arena,
							      disk, i)) == 0;
	/* On a copy-on-write file system, writing to a spare takes new room;
	 * removing it frees its own. */
	if (error_is_no_space(r))
		for (unsigned i = 0; !made && i < fleet->spares; i++)
			made = spare_remove(clients->arena, fleet, i) &&
			       client_image_create(clients, disk, NULL) == 0;
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

int client_images_fail_unmounted(const struct fleet *fleet)
{
	return fail(
		-ENOENT,
		"nothing is mounted at %s; type `mount %s' where fstab names it, else `vhdfs %s %s', and then `tgt-glue apply'",
		fleet->mount, shell_word(fleet->mount),
		shell_word(fleet->store), shell_word(fleet->mount));
}

int client_images_check_mounted(const struct fleet *fleet)
{
	return client_images_mounted(fleet)
		       ? 0
		       : client_images_fail_unmounted(fleet);
}

static int check_view(const struct fleet *fleet, const struct disk *disk,
		      const char *view)
{
	char why[512];
	struct stat st;
	ssize_t n;

	if (stat(view, &st) < 0) {
		int r = fail_errno(-errno, "%s", view);

		return disk->kind == DISK_CDROM || client_images_mounted(fleet)
			       ? r
			       : client_images_check_mounted(fleet);
	}
	if (!S_ISREG(st.st_mode))
		return fail(-EINVAL,
			    "%s: expected a file, found something else", view);
	if (st.st_size)
		return 0;
	if (disk->kind == DISK_CDROM)
		return fail(
			-EINVAL,
			"%s: expected a CD-ROM's image, found an empty file",
			view);
	n = getxattr(view, "user.vhdfs.error", why, sizeof why - 1);
	why[n < 0 ? 0 : n] = '\0';
	return fail(
		-EIO,
		"%s: its image cannot be opened: %s; `vhdfs-img check %s' says more",
		view, n > 0 ? why : "the file is empty",
		shell_path(fleet->store, disk->image));
}

int client_image_view_ready(const struct clients *clients,
			    const struct disk *disk)
{
	const struct fleet *fleet = clients->fleet;
	const char *view = clients_disk(clients, disk)->view;
	const struct timespec moment = { .tv_nsec = 20 * 1000 * 1000 };

	/* The mount shows a new image a moment after its creation. */
	for (int i = 0;; i++) {
		int r = check_view(fleet, disk, view);

		if (r != -ENOENT || i == 100 || disk->kind == DISK_CDROM ||
		    !client_images_mounted(fleet))
			return r;
		nanosleep(&moment, NULL);
	}
}
