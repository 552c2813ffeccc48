/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebase of an image file: a child shows what it showed, on another parent or
 * without one.
 *
 * ORDER
 *   1. open the new parent with its own parents, locked against writers; then
 *      the image, locked against all others
 *   2. copy to the image what it shows and does not store, where the new parent
 *      has other contents (chain/rebase.h); flush
 *   3. remove the new parent's write bits, sync it (store/protected-parent.h)
 *   4. the image names the new parent (image_set_parent)
 *
 * The image shows the same at every moment: until 4 is durable it names the old
 * parent, afterwards the new one.  A crash or a full disk between leaves copies
 * in it, which the next attempt does not copy again.
 *
 * With --unsafe the contents are not compared: 1, 3 and 4 without the parents
 * of the image, which may be missing.
 *
 * Without a new parent 2 copies all that the image shows and does not store
 * (chain_complete); 4 makes it a dynamic image (image_remove_parent).
 *
 * The identity of the image stays, as what it shows does not change: its own
 * children stay valid.  A child VHD records the modification time of its
 * parent's file, so this stays, too, where the image has no write bits, as a
 * parent has.  An attribute keeps the time until it is set, for the next rebase
 * after one that was killed.
 */
#include "config.h"

#include "img/rebase-image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/error.h"
#include "base/guid.h"
#include "chain/rebase-step.h"
#include "chain/rebase.h"
#include "format/registry.h"
#include "img/interrupt.h"
#include "base/progress.h"
#include "io/lent-bit.h"
#include "io/rootdir.h"
#include "store/settled-parent.h"

struct rebase {
	const char *image, *parent; /* as they were given */
	const struct image_roots *roots;
	uint64_t copied; /* bytes */
};

/* The attribute of an image that is being changed: the time, and the identity
 * that the image had, as text. */
#define TIME_MARK "user.vhdfs.kept-time"

/* The modification time of a file that its children record. */
struct kept_time {
	int fd; /* -1: none is kept */
	struct timespec times[2];
};

/* The time that a rebase which was killed has kept, if the image has not been
 * written since: then it would have another identity. */
static void read_mark(const struct image *img, struct timespec *time)
{
	char text[128], id[GUID_TEXT_SIZE];
	ssize_t n = fgetxattr(img->io->fd, TIME_MARK, text, sizeof text - 1);
	long long seconds;
	int used = 0;
	long nsec;

	text[n < 0 ? 0 : n] = '\0';
	guid_format(&img->id, id);
	if (sscanf(text, "%lld.%9ld %n", &seconds, &nsec, &used) == 2 && used &&
	    !strcmp(text + used, id))
		*time = (struct timespec){ (time_t)seconds, nsec };
}

/* A file system without attributes keeps no time over a crash. */
static void write_mark(const struct image *img, const struct timespec *time)
{
	char text[128], id[GUID_TEXT_SIZE];
	int n;

	guid_format(&img->id, id);
	n = snprintf(text, sizeof text, "%lld.%09ld %s",
		     (long long)time->tv_sec, time->tv_nsec, id);
	(void)lent_bit_set_attribute(img->io->fd, TIME_MARK, text, (size_t)n);
}

/* Before the image is changed.  Its parent's reference says whether its format
 * has a place for the time. */
static void time_keep(struct image *img, struct kept_time *ret)
{
	struct parent_ref ref;
	struct stat st;
	bool records;

	*ret = (struct kept_time){ .fd = -1 };
	if (img->type != IMAGE_DIFFERENCING || image_parent(img, &ref) < 0)
		return;
	records = ref.mtime_off != 0;
	parent_ref_fini(&ref);
	if (!records || fstat(img->io->fd, &st) < 0 ||
	    mode_write_bits(st.st_mode))
		return;
	ret->times[0].tv_nsec = UTIME_OMIT;
	ret->times[1] = st.st_mtim;
	read_mark(img, &ret->times[1]);
	write_mark(img, &ret->times[1]);
	ret->fd = fcntl(img->io->fd, F_DUPFD_CLOEXEC, 0);
}

/* After the image was closed.  Only its owner can set a time: if another user
 * runs the command, its children have a warning. */
static void time_restore(struct kept_time *kept)
{
	if (kept->fd < 0)
		return;
	if (futimens(kept->fd, kept->times) == 0)
		(void)lent_bit_remove_attribute(kept->fd, TIME_MARK);
	close(kept->fd);
}

static int check_type(const struct image *img)
{
	return img->type == IMAGE_DIFFERENCING
		       ? 0
		       : fail(-EINVAL,
			      "%s: type: expected differencing, found %s",
			      img->io->name, image_type_name(img->type));
}

/* Before the image is locked: one of the parent's own parents has a lock. */
static int check_parent(const struct rebase *rebase, struct chain *parent)
{
	_cleanup_free_ char *path = NULL;
	struct image *img;
	struct io *io;
	int r = image_roots_path(rebase->roots, rebase->image, &path);

	if (r == 0)
		r = root_dir_open(&rebase->roots->dirs[0], path, false, &io,
				  NULL);
	if (r < 0)
		return r;
	r = image_open(io, NULL, &img);
	if (r < 0) {
		io_close(io);
		return r;
	}
	r = chain_check_parent(img, parent);
	image_close(img);
	return r;
}

/* 3 and 4.  real: the image's path, links followed. */
static int set_parent(const struct rebase *rebase, struct image *img,
		      const char *real, struct protected_parent *parent)
{
	_cleanup_free_ char *absolute =
		image_roots_absolute(rebase->roots, real);
	_cleanup_free_ char *relative = NULL;
	struct image_params params = { .type = IMAGE_DIFFERENCING };
	int r;

	if (!absolute)
		return fail(-ENOMEM, "out of memory");
	*strrchr(absolute, '/') = '\0';
	interrupt_block();
	r = protected_parent_protect(parent);
	if (r == 0)
		r = protected_parent_describe(parent, absolute, &params,
					      &relative);
	if (r == 0)
		r = image_set_parent(img, &params);
	if (r < 0 && !atomic_load(&img->failed))
		protected_parent_restore(parent);
	interrupt_unblock();
	return r;
}

static void show_progress(void *arg, uint64_t done)
{
	progress_at(arg, done);
}

/* 2; parent null: none. */
static int copy(struct rebase *rebase, struct chain *chain,
		struct chain *parent)
{
	struct progress progress;
	int r;

	progress_init(&progress, chain_size(chain));
	r = parent ? chain_rebase_copy(chain, parent, &rebase->copied,
				       show_progress, &progress)
		   : chain_complete(chain, &rebase->copied, show_progress,
				    &progress);
	progress_end(&progress);
	if (r == -ENOSPC)
		error_advise("%s is unchanged but for copies; free space, then "
			     "run the command again",
			     rebase->image);
	return r < 0 ? r : chain_flush(chain);
}

static int rebase_safe(struct rebase *rebase, struct chain *parent,
		       struct protected_parent *protected)
{
	struct kept_time kept;
	struct chain *chain;
	int r = image_roots_open(rebase->roots, rebase->image,
				 CHAIN_WRITABLE | CHAIN_AS_OWNER, &chain);
	int rc;

	if (r < 0)
		return r;
	time_keep(chain_leaf(chain), &kept);
	chain_leaf(chain)->keeps_id = true;
	r = copy(rebase, chain, parent);
	if (r == 0)
		r = set_parent(rebase, chain_leaf(chain), chain_path(chain, 0),
			       protected);
	rc = chain_close(chain);
	time_restore(&kept);
	return r < 0 ? r : rc;
}

static int open_alone(const struct rebase *rebase, struct image **ret,
		      char **ret_real)
{
	_cleanup_free_ char *path = NULL;
	struct io *io;
	int r = image_roots_path(rebase->roots, rebase->image, &path);

	if (r == 0)
		r = root_dir_open_as_owner(&rebase->roots->dirs[0], path, &io,
					   ret_real);
	if (r < 0)
		return r;
	r = io_lock(io, IO_LOCK_EXCLUSIVE);
	if (r == 0)
		r = image_open(io, NULL, ret);
	if (r < 0)
		io_close(io);
	return r;
}

static int rebase_unsafe(struct rebase *rebase,
			 struct protected_parent *protected)
{
	_cleanup_free_ char *real = NULL;
	struct kept_time kept;
	struct image *img;
	int r = open_alone(rebase, &img, &real), rc;

	if (r < 0)
		return r;
	time_keep(img, &kept);
	r = set_parent(rebase, img, real, protected);
	rc = image_close(img);
	time_restore(&kept);
	return r < 0 ? r : rc;
}

static int rebase_to_parent(struct rebase *rebase, bool unsafe)
{
	_cleanup_(protected_parent_close) struct protected_parent protected = {
		0
	};
	_cleanup_(chain_close_p) struct chain *parent = NULL;
	_cleanup_free_ char *path = NULL;
	int r = image_roots_path(rebase->roots, rebase->parent, &path);

	/* Before the chain has the parent locked: a recovery locks it. */
	if (r == 0)
		r = settled_parent_open(&rebase->roots->dirs[0], path,
					&protected);
	if (r == 0)
		r = image_roots_open(rebase->roots, rebase->parent, 0, &parent);
	if (r == 0)
		r = check_parent(rebase, parent);
	if (r < 0)
		return r;
	return unsafe ? rebase_unsafe(rebase, &protected)
		      : rebase_safe(rebase, parent, &protected);
}

static int rebase_to_none(struct rebase *rebase)
{
	struct kept_time kept;
	struct chain *chain;
	int r = image_roots_open(rebase->roots, rebase->image,
				 CHAIN_WRITABLE | CHAIN_AS_OWNER, &chain);
	int rc;

	if (r < 0)
		return r;
	time_keep(chain_leaf(chain), &kept);
	chain_leaf(chain)->keeps_id = true;
	r = check_type(chain_leaf(chain));
	if (r == 0)
		r = copy(rebase, chain, NULL);
	if (r == 0) {
		interrupt_block();
		r = image_remove_parent(chain_leaf(chain)); /* 4 */
		interrupt_unblock();
	}
	rc = chain_close(chain);
	time_restore(&kept);
	return r < 0 ? r : rc;
}

int rebase_image(const struct image_roots *roots, const char *image,
		 const char *parent, bool unsafe, uint64_t *ret_copied)
{
	struct rebase rebase = { .image = image,
				 .parent = parent,
				 .roots = roots };
	int r = parent ? rebase_to_parent(&rebase, unsafe)
		       : rebase_to_none(&rebase);

	*ret_copied = rebase.copied;
	return r;
}
