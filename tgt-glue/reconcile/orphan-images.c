/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Orphan images: list, remove.
 *
 * ORDER of a removal: lock the file, so that no process has it open and none
 * makes a child of it; look for children; remove its name; sync the directory.
 */
#include "config.h"

#include "tgt-glue/reconcile/orphan-images.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"
#include "store/image-names.h"
#include "store/put-aside.h"
#include "tgt-glue/config/children.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/spare.h"

/* Each data disk has a directory below it. */
#define DISKS_DIRECTORY "disks"

struct reading {
	struct arena *arena;
	const struct fleet *fleet;
	struct orphans *orphans;
};

/* The length of the name without the ending of an image; 0: it has none. */
static size_t stem_length(const char *name)
{
	return value_image_format(name) ? (size_t)(strrchr(name, '.') - name)
					: 0;
}

/* The client's name in the file name of an image, a snapshot or an old image,
 * in arena; null: it is none of these.  *ret_ending: of the image. */
static const char *name_of_client(struct arena *arena, const char *file,
				  const char **ret_ending)
{
	char *name = arena_strdup(arena, file), *end;
	int64_t stamp;
	size_t n;

	if (*name == '.') {
		n = strlen(name);
		if (n <= STAMP_SIZE ||
		    !stamp_read(name + n - (STAMP_SIZE - 1), &stamp) ||
		    name[n - STAMP_SIZE] != '.')
			return NULL;
		name[n - STAMP_SIZE] = '\0';
		name++;
	}
	n = stem_length(name);
	if (!n)
		return NULL;
	*ret_ending = arena_strdup(arena, name + n);
	name[n] = '\0';
	end = strchr(name, '@');
	if (end)
		*end = '\0';
	return name;
}

/* A master, or an image that clients share, may be in these directories. */
static bool is_shared(const struct fleet *fleet, const char *path)
{
	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];

		if ((disk->master && !strcmp(disk->master, path)) ||
		    (disk->image && !strcmp(disk->image, path)))
			return true;
	}
	return false;
}

/* Has the client a disk whose images are in that directory? */
static bool has_disk_in(const struct client *client, const char *dir)
{
	if (!strcmp(dir, CLIENTS_DIRECTORY))
		return true;
	for (size_t i = 0; i < client->n_disks; i++)
		if (client->disks[i].child &&
		    text_equal(client->disks[i].name, name_last(dir)))
			return true;
	return false;
}

static void add_orphan(const struct reading *reading, struct orphan orphan,
		       const char *ending)
{
	struct orphans *orphans = reading->orphans;
	const char *file = name_last(orphan.path);

	orphan.image = arena_printf(reading->arena, "%.*s%s%s",
				    (int)(file - orphan.path), orphan.path,
				    orphan.client, ending);
	orphans->v = arena_grow(reading->arena, orphans->v, orphans->n,
				sizeof *orphans->v);
	orphans->v[orphans->n++] = orphan;
	orphans->size += orphan.size;
}

static void add_file(const struct reading *reading, const char *dir,
		     const char *file)
{
	const char *ending = NULL;
	struct orphan orphan = { .client = name_of_client(reading->arena, file,
							  &ending) };
	const struct client *client;
	struct stat st;

	if (!orphan.client)
		return;
	orphan.path = arena_printf(reading->arena, "%s/%s", dir, file);
	if (fleet_stat(reading->fleet, orphan.path, &st) < 0 ||
	    !S_ISREG(st.st_mode))
		return;
	orphan.size = (uint64_t)st.st_blocks * 512;
	client = fleet_client(reading->fleet, orphan.client);
	if (client && has_disk_in(client, dir))
		image_use_add_client(&reading->orphans->use, client,
				     orphan.path, orphan.size);
	else if (!is_shared(reading->fleet, orphan.path))
		add_orphan(reading, orphan, ending);
}

/* Calls each for the names in a directory of the store, if it exists. */
static int each_name(const struct reading *reading, const char *path,
		     void (*each)(const struct reading *, const char *,
				  const char *))
{
	_cleanup_closedir_ DIR *dir =
		root_dir_opendir(&reading->fleet->rootdir, path);
	struct dirent *e;

	if (!dir)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : fail_errno(-errno, "%s/%s",
					    reading->fleet->store, path);
	for (errno = 0; (e = readdir(dir)); errno = 0)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			each(reading, path, e->d_name);
	return errno ? fail_errno(-errno, "%s/%s", reading->fleet->store, path)
		     : 0;
}

static void add_disk(const struct reading *reading, const char *dir,
		     const char *name)
{
	/* What cannot be read is not listed, and so not removed. */
	(void)each_name(reading,
			arena_printf(reading->arena, "%s/%s", dir, name),
			add_file);
}

static int by_path(const void *pa, const void *pb)
{
	const struct orphan *a = pa, *b = pb;

	return strcmp(a->path, b->path);
}

int orphans_read(struct arena *arena, const struct fleet *fleet,
		 struct orphans *ret)
{
	const struct reading reading = { arena, fleet, ret };
	int r;

	*ret = (struct orphans){ 0 };
	r = each_name(&reading, CLIENTS_DIRECTORY, add_file);
	if (r == 0)
		r = each_name(&reading, DISKS_DIRECTORY, add_disk);
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_path);
	return r;
}

int orphan_child(const struct fleet *fleet, struct store **images,
		 const struct orphan *orphan, char **ret)
{
	struct stat st;
	int r = fleet_stat(fleet, orphan->path, &st);

	*ret = NULL;
	return r < 0 ? fail_errno(r, "%s", orphan->path)
		     : children_find(fleet->store, images, &st,
				     STORE_POSSIBLE_CHILDREN, ret);
}

static int remove_name(const struct fleet *fleet, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir = strndup(path, (size_t)(slash - path));
	_cleanup_close_ int fd = -1;

	if (!dir)
		return fail(-ENOMEM, "out of memory");
	fd = root_dir_openat(&fleet->rootdir, dir, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fail_errno(fd, "%s/%s", fleet->store, dir);
	if (unlinkat(fd, slash + 1, 0) < 0 || fsync(fd) < 0)
		return fail_errno(-errno, "%s/%s", fleet->store, path);
	return 0;
}

int orphan_remove(const struct fleet *fleet, struct store **images,
		  const struct orphan *orphan)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	_cleanup_free_ char *child = NULL;
	int r = root_dir_open(&fleet->rootdir, orphan->path, true, &io, NULL);

	if (r == 0)
		r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = orphan_child(fleet, images, orphan, &child);
	if (r == 0 && child)
		r = fail(
			-EPERM,
			"%s: expected an image without children, found that it is, or may be, the parent of %s; remove that one first",
			orphan->path, child);
	return r < 0 ? r : remove_name(fleet, orphan->path);
}
