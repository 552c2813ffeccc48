/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spare files.
 *
 * ORDER of creation: the file is written under another name, its blocks are
 * allocated, it is synced, and renamed to the spare's name.  If that is
 * interrupted, the next run removes it.
 *
 * A spare that becomes an image keeps its name until the image is complete.  If
 * that is interrupted, it is no file of zeros any more: it is replaced if
 * there is space; else it is overwritten with zeros when it is used.
 *
 * The name is long: while a spare is in it, the directory has room for the
 * shorter names of images and old images.
 */
#include "config.h"

#include "tgt-glue/reconcile/spare.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "io/rootdir.h"
#include "store/child.h"

int spare_directory(const struct fleet *fleet)
{
	return root_dir_openat(&fleet->rootdir, CLIENTS_DIRECTORY,
			       O_RDONLY | O_DIRECTORY);
}

const char *spare_name(struct arena *arena, unsigned i)
{
	return arena_printf(
		arena,
		".vhdfs-spare.%u.room-for-a-fresh-disk.tgt-glue-reset-uses-it-when-the-store-is-full",
		i);
}

/* The same disk of the client before, or null.  Most clients have the same
 * masters and data disks as the client before. */
static const struct disk *before_of(const struct fleet *fleet,
				    const struct disk *disk)
{
	return disk->client == fleet->clients
		       ? NULL
		       : client_disk(disk->client - 1, disk->name);
}

/* The size of the largest fresh child of any client, in bytes. */
static uint64_t wanted_size(const struct fleet *fleet)
{
	const struct disk *before;
	uint64_t wanted = 0, size;

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *d = &fleet->disks[i];
		const struct child_params params = { .block_size =
							     d->block_size };

		if (!d->master)
			continue;
		before = before_of(fleet, d);
		if (before && d->block_size == before->block_size &&
		    !strcmp(d->master, before->master))
			continue;
		if (child_size(&fleet->rootdir, d->master, &params, &size) ==
			    0 &&
		    size > wanted)
			wanted = size;
	}
	return wanted;
}

const char *spare_path(struct arena *arena, const struct disk *disk, unsigned i)
{
	const char *up = "", *rest = disk->child;

	if (!disk->name)
		return spare_name(arena, i);
	while ((rest = strchr(rest, '/'))) {
		up = arena_printf(arena, "%s../", up);
		rest++;
	}
	return arena_printf(arena, "%s" CLIENTS_DIRECTORY "/%s", up,
			    spare_name(arena, i));
}

/* True if the spare is large enough, allocated, and begins with zeros. */
static bool is_good(const struct fleet *fleet, const char *path, uint64_t size)
{
	static const char zeros[512];
	_cleanup_(io_close_p) struct io *io = NULL;
	char begin[sizeof zeros];
	struct stat st;

	return root_dir_open(&fleet->rootdir, path, false, &io, NULL) == 0 &&
	       fstat(io->fd, &st) == 0 && (uint64_t)st.st_size >= size &&
	       (uint64_t)st.st_blocks * 512 >= size &&
	       io_read(io, begin, sizeof begin, 0) == 0 &&
	       !memcmp(begin, zeros, sizeof zeros);
}

static int allocate(int dir, const char *name, uint64_t size)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int r;

	if (fd < 0)
		return -errno;
	r = posix_fallocate(fd, 0, (off_t)size);
	if (r)
		return -r;
	return fsync(fd) < 0 ? -errno : 0;
}

static int make(struct arena *arena, int dir, const char *name, uint64_t size)
{
	const char *temp = arena_printf(arena, "%s.new", name);
	int r;

	unlinkat(dir, temp, 0);
	r = allocate(dir, temp, size);
	if (r == 0 && renameat(dir, temp, dir, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, temp, 0);
	return r;
}

bool spare_remove(struct arena *arena, const struct fleet *fleet, unsigned i)
{
	_cleanup_close_ int dir = spare_directory(fleet);

	return dir >= 0 && unlinkat(dir, spare_name(arena, i), 0) == 0 &&
	       syncfs(dir) == 0;
}

void spare_keep(struct arena *arena, const struct fleet *fleet,
		struct messages *messages)
{
	_cleanup_close_ int dir = spare_directory(fleet);
	uint64_t size;
	int r = 0;

	/* Without clients there is no such directory. */
	if (dir < 0)
		return;
	size = fleet->spares ? wanted_size(fleet) : 0;
	for (unsigned i = 0; size && r == 0 && i < fleet->spares; i++) {
		const char *name = spare_name(arena, i);

		if (!is_good(fleet,
			     arena_printf(arena, CLIENTS_DIRECTORY "/%s", name),
			     size))
			r = make(arena, dir, name, size);
	}
	if (r < 0)
		messages_print(
			messages,
			"warning: %s/" CLIENTS_DIRECTORY
			": no room for all spare files, which `tgt-glue reset' needs when the store is full: %s; remove what is not needed, such as old images (`rm %s/" CLIENTS_DIRECTORY
			"/.NAME.vhdx.DATE')",
			fleet->store, strerror(-r), fleet->store);
	for (unsigned i = fleet->spares; i < SPARES_MAX; i++)
		unlinkat(dir, spare_name(arena, i), 0);
}
