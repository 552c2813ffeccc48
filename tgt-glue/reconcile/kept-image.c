/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kept image of a disk: find, forget. */
#include "config.h"

#include "tgt-glue/reconcile/kept-image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "chain/chain-map.h"
#include "io/file-id.h"
#include "store/image-names.h"
#include "store/snapshot.h"
#include "tgt-glue/reconcile/image-parent.h"

#define FORGOTTEN "user.tgt-glue.forgotten"
#define PREFIX "kept-"

unsigned kept_image_number(const char *snapshot)
{
	const char *digits = snapshot + strlen(PREFIX);
	unsigned n = 0;

	if (strncmp(snapshot, PREFIX, strlen(PREFIX)) != 0 || *digits == '0')
		return 0;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9' || n > UINT_MAX / 10 - 1)
			return 0;
		n = n * 10 + (unsigned)(*digits - '0');
	}
	return n;
}

const char *kept_image_name(struct arena *arena, unsigned number)
{
	return arena_printf(arena, PREFIX "%u", number);
}

const char *kept_image_snapshot(struct arena *arena, const char *path)
{
	char *name = arena_strdup(arena, strrchr(path, '@') + 1);

	*strrchr(name, '.') = '\0';
	return name;
}

/* The number in STEM@kept-N.ENDING, of the image's file name; 0: another
 * name. */
static unsigned number_in(const char *image, const char *file)
{
	const char *dot = strrchr(image, '.');
	const size_t stem = (size_t)(dot - image), n = strlen(file),
		     ending = strlen(dot);
	char name[NAME_MAX + 1];

	if (n <= stem + 1 + ending || n > NAME_MAX ||
	    strncmp(file, image, stem) != 0 || file[stem] != '@' ||
	    strcmp(file + n - ending, dot) != 0)
		return 0;
	snprintf(name, sizeof name, "%.*s", (int)(n - stem - 1 - ending),
		 file + stem + 1);
	return kept_image_number(name);
}

static int open_file(const struct fleet *fleet, const char *path)
{
	return root_dir_openat(&fleet->rootdir, path, O_RDONLY | O_NONBLOCK);
}

static bool is_snapshot(const struct fleet *fleet, const char *image,
			const char *path)
{
	_cleanup_close_ int fd = open_file(fleet, path);

	return fd >= 0 && snapshot_is_marked(fd, image);
}

static bool is_forgotten(const struct fleet *fleet, const char *path)
{
	_cleanup_close_ int fd = open_file(fleet, path);

	return fd < 0 || fgetxattr(fd, FORGOTTEN, NULL, 0) >= 0;
}

static int newest_first(const void *pa, const void *pb)
{
	const struct kept_image *a = pa, *b = pb;

	return a->number < b->number ? 1 : a->number > b->number ? -1 : 0;
}

void kept_images_read(struct arena *arena, const struct fleet *fleet,
		      const struct disk *disk, struct kept_images *ret)
{
	const char *directory = disk_directory(arena, disk);
	_cleanup_closedir_ DIR *dir =
		root_dir_opendir(&fleet->rootdir, directory);
	const char *image = name_last(disk->child);

	*ret = (struct kept_images){ 0 };
	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct kept_image kept = { .number = number_in(image,
							       e->d_name) };

		if (!kept.number)
			continue;
		kept.path = arena_printf(arena, "%s/%s", directory, e->d_name);
		kept.name = kept_image_name(arena, kept.number);
		if (!is_snapshot(fleet, image, kept.path))
			continue;
		ret->v = arena_grow(arena, ret->v, ret->n, sizeof *ret->v);
		ret->v[ret->n++] = kept;
	}
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, newest_first);
}

const char *kept_image_find(struct arena *arena, const struct fleet *fleet,
			    const struct disk *disk)
{
	struct kept_images all;

	kept_images_read(arena, fleet, disk, &all);
	return all.n && !is_forgotten(fleet, all.v[0].path) ? all.v[0].path
							    : NULL;
}

/* Is one of the parents of the image at path this file? */
static bool descends_from(const struct fleet *fleet, const char *path,
			  const struct stat *master)
{
	char at[PATH_MAX], next[PATH_MAX];
	struct stat st;

	snprintf(at, sizeof at, "%s", path);
	for (int i = 0; i < CHAIN_DEPTH_MAX; i++) {
		if (image_parent_path(fleet, at, next, sizeof next) < 0 ||
		    fleet_stat(fleet, next, &st) < 0)
			return false;
		if (file_id_equal(file_id_of(&st), file_id_of(master)))
			return true;
		snprintf(at, sizeof at, "%s", next);
	}
	return false;
}

const char *kept_image_base(struct arena *arena, const struct fleet *fleet,
			    const struct disk *disk)
{
	const char *kept = kept_image_find(arena, fleet, disk);
	struct stat master;

	if (kept && fleet_stat(fleet, disk->master, &master) == 0 &&
	    descends_from(fleet, kept, &master))
		return kept;
	return disk->master;
}

int kept_image_forget(const struct fleet *fleet, const char *path)
{
	_cleanup_close_ int fd = open_file(fleet, path);

	if (fd < 0 || fsetxattr(fd, FORGOTTEN, "", 0, 0) < 0 || fsync(fd) < 0)
		return fail_errno(fd < 0 ? fd : -errno, "%s/%s", fleet->store,
				  path);
	return 0;
}
