/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock upgrade: an image that is open for reading is opened for writing, and
 * at every moment at least one of both descriptors has the file locked.
 *
 * A lock belongs to one open file description, and writing needs another one
 * than reading.  ORDER:
 *
 *   1. the new descriptor takes a shared lock, beside the old one's
 *   2. the old descriptor is unlocked
 *   3. the new descriptor's lock becomes exclusive; the kernel does that in one
 *      step, or refuses and leaves the shared lock
 *   4. if it was refused: the old descriptor takes a shared lock again, then
 *      the new one is closed
 *
 * So no other process can begin to write while this one reads.
 */
#include "config.h"

#include "chain/lock-upgrade.h"

#include <errno.h>

#include "base/error.h"
#include "format/registry.h"
#include "io/rootdir.h"

static int move_lock(struct io *io, struct io *old)
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

/* The new descriptor is locked exclusively, but does not replace the old. */
static void give_lock_back(struct io *io, struct io *old)
{
	struct error why = *error_last();

	if (io_lock(io, IO_LOCK_SHARED) == 0 &&
	    io_lock(old, IO_LOCK_SHARED) == 0)
		error_set(&why);
}

/* The file holds another image than the one that is open for reading. */
static int fail_replaced(struct image *other, struct io *old)
{
	int r = fail(-EAGAIN,
		     "%s: was replaced by another image; open it again",
		     old->name);
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
	if (!file_id_equal(io_file_id(io), io_file_id(old->io)))
		return fail(-EAGAIN,
			    "%s: was replaced by another file; open it again",
			    path);
	r = move_lock(io, old->io);
	if (r < 0)
		return r;
	r = image_open(io, old->ops, &new);
	if (r < 0) {
		give_lock_back(io, old->io);
		return r;
	}
	steal(io);
	if (!image_is_same(old, new))
		return fail_replaced(new, old->io);
	*image = new;
	image_close(old);
	return 0;
}
