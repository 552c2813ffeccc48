/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Creating a differencing image (child).
 *
 * ORDER of the changes on disk:
 *
 *   1. open the parent for reading and lock it against writers; check that it
 *      has its name, and that no recovery undoes its last snapshot
 *      (settled-parent.h)
 *   2. write the child under a temporary name that begins with a dot; sync it
 *   3. remove the parent's write permission bits
 *   4. sync the parent: a process that died may have left changes in the page
 *      cache only, and the identifier by which the child names its parent does
 *      not tell these from what is on disk after a power cut
 *   5. give the child its name; sync its directory
 *   6. unlock the parent
 *
 * A crash before 5 leaves no child: at most a parent without write bits and a
 * temporary file.  From 5 on no writer can open the parent, because its bits
 * are removed before the child exists.  A failure after 3 and before 5 gives
 * the parent its bits back.
 */
#include "config.h"

#include "store/child.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/error.h"
#include "format/image.h"
#include "io/atomic-file.h"
#include "io/io-file.h"
#include "io/rootdir.h"
#include "store/settled-parent.h"

/* dir: absolute path of the child's directory, links followed. */
static int write_child(struct io *io, const char *dir,
		       const struct protected_parent *parent,
		       const struct child_params *params)
{
	_cleanup_free_ char *relative = NULL;
	struct image_params image = {
		.type = IMAGE_DIFFERENCING,
		.block_size = params->block_size,
	};
	int r = protected_parent_describe(parent, dir, &image, &relative);

	return r < 0 ? r : image_create(io, parent->img->ops, &image);
}

int child_create(const struct root_dir *rootdir, const char *parent_path,
		 const char *child_path, const struct child_params *params)
{
	_cleanup_(
		protected_parent_close) struct protected_parent parent = { 0 };
	struct atomic_file file = { 0 };
	int r = settled_parent_open(rootdir, parent_path, &parent); /* 1 */

	if (r == 0)
		r = atomic_file_create(child_path,
				       rootdir->confined ? rootdir->path : NULL,
				       params->room, &file);
	if (r == 0)
		r = write_child(file.io, file.dir, &parent, params);
	if (r == 0)
		r = io_sync(file.io); /* 2 */
	if (r == 0)
		r = protected_parent_protect(&parent); /* 3, 4 */
	if (r == 0)
		r = atomic_file_publish(&file); /* 5 */
	/* A child that has its name, though perhaps not durably, keeps the bits
	 * removed. */
	if (r < 0 && file.temp)
		protected_parent_restore(&parent);
	atomic_file_fini(&file);
	return r; /* 6 */
}

/* The locator depends on the child's directory: it makes a VHD longer by less
 * than this. */
enum { LOCATOR_SLACK = 64 * 1024 };

int child_size(const struct root_dir *rootdir, const char *parent_path,
	       const struct child_params *params, uint64_t *ret)
{
	_cleanup_(
		protected_parent_close) struct protected_parent parent = { 0 };
	_cleanup_(io_close_p) struct io *io = NULL;
	int fd, r = settled_parent_open(rootdir, parent_path, &parent);

	if (r < 0)
		return r;
	fd = memfd_create("child", MFD_CLOEXEC);
	r = fd < 0 ? fail_errno(-errno, "memfd_create")
		   : io_file_from_fd(fd, "child", true, &io);
	if (r == 0)
		r = write_child(io, "/", &parent, params);
	if (r == 0)
		r = io_size(io, ret);
	if (r == 0)
		*ret += LOCATOR_SLACK;
	return r;
}
