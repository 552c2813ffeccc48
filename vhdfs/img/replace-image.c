/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replacement of a parent that is in use by its equal, on another parent. */
#include "config.h"

#include "img/replace-image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "chain/difference.h"
#include "chain/rebase-step.h"
#include "chain/rebase.h"
#include "format/registry.h"
#include "img/interrupt.h"
#include "img/rebase-room.h"
#include "base/progress.h"
#include "base/rate.h"
#include "io/lent-bit.h"
#include "io/rootdir.h"
#include "store/copy-attributes.h"
#include "store/leaf-steps.h"
#include "store/settled-parent.h"

#define STEP MIB(4)  /* of one comparison, so that progress is reported */
#define PIECE MIB(1) /* is read at once */
/* The attribute of a .NAME.leaf that can be continued. */
#define COPY_MARK "user.vhdfs.copy"

struct replacement {
	const struct image_roots *roots;
	char *path; /* of the image, as chain_open takes it; owned */
	char *real; /* the same, links followed; owned */
	/* The image, and the new file.  With --unsafe alone, else in chains
	 * that own them. */
	struct image *old, *new;
	struct chain *old_chain, *new_chain; /* owned */
	struct chain *parent;                /* the new parent; owned */
	struct leaf_place place;
	struct protected_parent protected;
	uint64_t copied;
	uint64_t rate;
	bool unsafe;
};

/* Closes the new image; it is complete on disk after success. */
static int close_new(struct replacement *r)
{
	struct image *new = steal(r->new);

	if (r->new_chain)
		return chain_close(steal(r->new_chain));
	return new ? image_close(new) : 0;
}

static void replacement_fini(struct replacement *r)
{
	close_new(r);
	if (r->parent)
		chain_close(r->parent);
	protected_parent_close(&r->protected);
	leaf_place_fini(&r->place);
	if (r->old_chain)
		chain_close(r->old_chain);
	else if (r->old)
		image_close(r->old);
	free(r->path);
	free(r->real);
}

static int open_parent(struct replacement *r, const char *parent)
{
	_cleanup_free_ char *path = NULL;
	int rc = image_roots_path(r->roots, parent, &path);

	/* Before the chain has the parent locked: a recovery locks it. */
	if (rc == 0)
		rc = settled_parent_open(&r->roots->dirs[0], path,
					 &r->protected);
	if (rc == 0)
		rc = chain_open(r->roots->cache, path, 0, &r->parent);
	if (rc == 0)
		rc = chain_check_parent(r->old, r->parent);
	return rc;
}

/* Without its parents, which may be missing. */
static int open_old_alone(struct replacement *r)
{
	struct io *io;
	int rc = root_dir_open(&r->roots->dirs[0], r->path, false, &io,
			       &r->real);

	if (rc < 0)
		return rc;
	rc = io_lock(io, IO_LOCK_SHARED);
	if (rc == 0)
		rc = image_open(io, NULL, &r->old);
	if (rc < 0)
		io_close(io);
	return rc;
}

static int open_old(struct replacement *r)
{
	int rc;

	if (r->unsafe)
		return open_old_alone(r);
	rc = chain_open(r->roots->cache, r->path, 0, &r->old_chain);
	if (rc < 0)
		return rc;
	r->old = chain_leaf(r->old_chain);
	r->real = strdup(chain_path(r->old_chain, 0));
	return r->real ? 0 : fail(-ENOMEM, "out of memory");
}

static int check_place(struct replacement *r)
{
	int rc = leaf_place_init(&r->place, &r->roots->dirs[0], r->real);

	r->place.io = r->old->io;
	r->place.img = r->old;
	if (rc == 0)
		rc = leaf_place_check(&r->place);
	if (rc == 0 && mode_write_bits(r->place.st.st_mode))
		rc = fail(-EBUSY,
			  "%s: is in use; expected an image without "
			  "write permission, as a parent has",
			  r->place.path);
	return rc;
}

/* 1; parent null: none. */
static int open_images(struct replacement *r, const char *image,
		       const char *parent)
{
	int rc = image_roots_path(r->roots, image, &r->path);

	if (rc == 0)
		rc = open_old(r);
	if (rc == 0 && parent)
		rc = open_parent(r, parent);
	return rc < 0 ? rc : check_place(r);
}

/* 2, the new file as an empty image. */
static int write_empty(struct replacement *r, struct io *io)
{
	const struct image *old = r->old;
	struct image_params params = {
		.type = r->parent ? IMAGE_DIFFERENCING : IMAGE_DYNAMIC,
		.size = old->size,
		.block_size = old->block_size,
		.sector_size = old->sector_size,
		.physical_sector_size = old->physical_sector_size,
		.id = old->id,
	};
	_cleanup_free_ char *relative = NULL;
	int rc = 0;

	if (r->parent)
		rc = protected_parent_describe(&r->protected, r->place.dir,
					       &params, &relative);
	return rc < 0 ? rc : image_create(io, old->ops, &params);
}

/* Opens the new image; takes io over, even if it fails. */
static int open_new(struct replacement *r, struct io *io)
{
	int rc;

	if (r->unsafe) {
		rc = image_open(io, NULL, &r->new);
		if (rc < 0)
			io_close(io);
		return rc;
	}
	rc = chain_open_file(r->roots->cache, io, r->real, CHAIN_WRITABLE,
			     &r->new_chain);
	if (rc == 0)
		r->new = chain_leaf(r->new_chain);
	return rc;
}

/* Is the open copy one that this replacement would make? */
static bool is_copy(const struct replacement *r)
{
	const struct image *new = r->new, *old = r->old;
	struct image_params params = { 0 };
	_cleanup_free_ char *relative = NULL;

	if (new->ops != old->ops || new->size != old->size ||
	    new->block_size != old->block_size ||
	    new->sector_size != old->sector_size ||
	    new->physical_sector_size != old->physical_sector_size ||
	    !guid_equal(&new->id, &old->id))
		return false;
	if (!r->parent)
		return new->type == IMAGE_DYNAMIC;
	return protected_parent_describe(&r->protected, r->place.dir, &params,
					 &relative) == 0 &&
	       protected_parent_is_named(r->new, &params);
}

/* 2, of a copy that a process which died has begun.  1; 0: there is none. */
static int continue_copy(struct replacement *r)
{
	struct io *io;
	int rc = r->unsafe ? 0 : leaf_take_rest(&r->place, &io);

	if (rc <= 0)
		return rc;
	if (fgetxattr(io->fd, COPY_MARK, NULL, 0) < 0)
		io_close(io);
	else if (open_new(r, io) == 0 && is_copy(r))
		return 1;
	close_new(r);
	leaf_forget(&r->place);
	return 0;
}

static int create(struct replacement *r)
{
	struct io *io;
	int rc = leaf_remove_rest(&r->place);

	if (rc >= 0)
		rc = leaf_create(&r->place, &io);
	if (rc < 0)
		return rc;
	rc = write_empty(r, io);
	if (rc < 0) {
		io_close(io);
		return rc;
	}
	/* A file system without attributes has no copy that is continued. */
	(void)fsetxattr(io->fd, COPY_MARK, "1", 1, 0);
	return open_new(r, io);
}

/* 2, without the contents. */
static int open_copy(struct replacement *r)
{
	int rc = continue_copy(r);

	if (rc == 0)
		rc = create(r);
	if (rc >= 0)
		r->new->keeps_id = true;
	return rc < 0 ? rc : 0;
}

static int copy_difference(void *arg, const struct difference *difference)
{
	struct replacement *r = arg;
	int rc = chain_write(r->new_chain, difference->a, difference->off,
			     difference->len);

	if (rc == 0)
		r->copied += difference->len;
	return rc;
}

/* Data that the image stores at file_off of its file. */
static int copy_data(struct replacement *r, uint64_t off, uint64_t len,
		     uint64_t file_off)
{
	_cleanup_free_ uint8_t *buf = malloc(PIECE);
	int rc = buf ? 0 : fail(-ENOMEM, "out of memory");

	for (uint64_t at = 0; rc == 0 && at < len;) {
		size_t n = min_u64(PIECE, len - at);

		rc = io_read_padded(r->old->io, buf, n, file_off + at);
		if (rc == 0)
			rc = image_write(r->new, buf, off + at, n);
		at += n;
		r->copied += n;
	}
	return rc;
}

/* What the image itself stores of the range, whatever its parents show. */
static int copy_stored(struct replacement *r, uint64_t off, uint64_t end)
{
	struct extent e;
	int rc = 0;

	for (; rc == 0 && off < end; off += e.len) {
		rc = image_map_locked(r->old, off, end - off, &e);
		if (rc == 0 && e.kind == EXTENT_STORED)
			rc = copy_data(r, off, e.len, e.file_off);
		else if (rc == 0 && e.kind == EXTENT_ZERO)
			rc = image_zero(r->new, off, e.len, 0);
	}
	return rc;
}

/* 2, the contents. */
static int copy_all(struct replacement *r)
{
	const int64_t began = clock_us();
	uint64_t size = r->old->size, end, flushed = 0;
	struct progress progress;
	int rc = 0;

	progress_init(&progress, size);
	for (uint64_t off = 0; rc == 0 && off < size; off = end) {
		end = min_u64(size, off + STEP);
		rc = r->unsafe
			     ? copy_stored(r, off, end)
			     : chain_differences(r->old_chain, r->new_chain,
						 off, end, copy_difference, r);
		/* What --unsafe copies is never continued. */
		if (rc == 0 && !r->unsafe)
			rc = chain_flush_copies(r->new_chain, r->copied,
						&flushed);
		progress_at(&progress, end);
		rate_keep(r->rate, r->copied, began);
	}
	progress_end(&progress);
	return rc;
}

/* 3.  to: the new file. */
static int copy_metadata(const struct replacement *r, int to)
{
	const struct stat *st = &r->place.st;
	const struct timespec times[2] = { st->st_atim, st->st_mtim };
	int rc = copy_attributes(r->place.io->fd, to, "", r->place.path);

	(void)fremovexattr(to, COPY_MARK);
	if (rc == 0 && (futimens(to, times) < 0 || fsync(to) < 0))
		rc = fail_errno(-errno, "%s: time and sync", r->place.path);
	return rc;
}

/* 2, the end, and 3: closes the new image, which stays locked. */
static int complete(struct replacement *r)
{
	int rc = close_new(r);

	return rc < 0 ? rc : copy_metadata(r, r->place.made);
}

/* 3 to 5 */
static int publish(struct replacement *r)
{
	int rc = complete(r);

	if (rc == 0)
		rc = leaf_place_check(&r->place);
	if (rc == 0 && r->parent)
		rc = protected_parent_protect(&r->protected);
	if (rc == 0)
		rc = leaf_rename(&r->place);
	return rc < 0 ? rc : leaf_sync_rename(&r->place);
}

/* Before the contents are copied.  With --unsafe the copy takes the space that
 * the image has. */
static int check_room(const struct replacement *r, struct rebase_room *ret)
{
	struct rebase_room room = { 0 };
	struct statvfs st;

	if (!r->unsafe)
		return rebase_room_check_copy(r->old_chain, r->new_chain,
					      r->place.path, ret);
	if (fstatvfs(r->place.fd, &st) < 0 || !st.f_frsize)
		return 0;
	room.needed = (uint64_t)r->place.st.st_blocks * 512;
	room.free = (uint64_t)st.f_bavail * st.f_frsize;
	if (room.needed <= room.free)
		return 0;
	if (ret)
		*ret = room;
	return rebase_room_fail(&room, r->place.path, "room for a copy");
}

static int write_and_publish(struct replacement *r, struct rebase_room *room)
{
	int rc = open_copy(r);

	if (rc == 0)
		rc = check_room(r, room);
	if (rc == 0)
		rc = copy_all(r);
	if (rc == 0) {
		interrupt_block();
		rc = publish(r);
		interrupt_unblock();
	}
	if (rc < 0 && r->place.made >= 0)
		(void)leaf_remove_new(&r->place);
	return rc;
}

int replace_image(const struct image_roots *roots, const char *image,
		  const char *parent, const struct rebase_options *options,
		  uint64_t *ret_copied)
{
	struct replacement r = { .roots = roots,
				 .unsafe = options->unsafe,
				 .rate = options->rate,
				 .place.fd = -1 };
	int rc = open_images(&r, image, parent);

	if (rc == 0)
		rc = write_and_publish(&r, options->room);
	*ret_copied = r.copied;
	replacement_fini(&r);
	return rc;
}

void replace_image_remove_rest(const struct image_roots *roots,
			       const char *image)
{
	_cleanup_(error_set) struct error why = *error_last();
	_cleanup_free_ char *path = NULL, *real = NULL;
	struct leaf_place place;

	if (image_roots_path(roots, image, &path) < 0 ||
	    image_roots_real(roots, path, &real) < 0)
		return;
	if (leaf_place_init(&place, &roots->dirs[0], real) == 0)
		(void)leaf_remove_rest(&place);
	leaf_place_fini(&place);
}
