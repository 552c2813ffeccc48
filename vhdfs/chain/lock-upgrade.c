/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lock belongs to one opening of a file, and the one for writing needs an
 * opening of its own.  ORDER:
 *
 *   1. the new opening takes the lock that the old one has, for reading: both
 *      may have that
 *   2. the old one lets go
 *   3. the new one changes its lock to the one for writing, which the kernel
 *      does at once or refuses, and then leaves it as it is
 *   4. where it was refused: the old one locks again, and then the new one
 *      lets go
 *
 * So there is no moment in which nobody of us holds the file, and nobody else
 * can begin to write what is being read here.
 */
#include "config.h"

#include "chain/lock-upgrade.h"

#include <errno.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/rootdir.h"

static int take_lock_over(struct io *io, struct io *old)
{
	struct error why;
	int r = io_lock(io, IO_LOCK_SHARED); /* 1 */

	if (r == 0)
		r = io_lock(old, IO_LOCK_NONE); /* 2 */
	if (r < 0)
		return r;
	r = io_lock(io, IO_LOCK_EXCLUSIVE); /* 3 */
	if (r < 0) {
		why = *error_last();
		if (io_lock(old, IO_LOCK_SHARED) == 0) /* 4 */
			error_set(&why);
	}
	return r;
}

/* The writer got the lock, but could not open the image. */
static void give_lock_back(struct io *io, struct io *old)
{
	struct error why = *error_last();

	if (io_lock(io, IO_LOCK_SHARED) == 0 &&
	    io_lock(old, IO_LOCK_SHARED) == 0)
		error_set(&why);
}

/* What the writer opened is another image than the one being read. */
static int refuse_other(struct image *other, struct io *old)
{
	int r = fail(-EAGAIN, "%s: was replaced by another image", old->name);
	struct error why = *error_last();

	give_lock_back(other->io, old);
	image_close(other);
	error_set(&why);
	return r;
}

int lock_upgrade(const struct root_dir *rootdir, const char *path,
		 struct image **image)
{
	_cleanup_(io_close_p) struct io *io = NULL;
	struct image *old = *image, *new;
	int r = root_dir_open(rootdir, path, true, &io, NULL);

	if (r < 0)
		return r;
	if (io->dev != old->io->dev || io->ino != old->io->ino)
		return fail(-EAGAIN, "%s: was replaced", path);
	r = take_lock_over(io, old->io);
	if (r < 0)
		return r;
	r = image_open(io, old->ops, &new);
	if (r < 0) {
		give_lock_back(io, old->io);
		return r;
	}
	steal(io);
	if (!image_is_same(old, new))
		return refuse_other(new, old->io);
	*image = new;
	image_close(old);
	return 0;
}
