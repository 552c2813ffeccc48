/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Image stat: what stat of a view answers. */
#include "config.h"

#include "store/image-stat.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "io/lent-bit.h"
#include "store/ancestry.h"
#include "store/catalog.h"
#include "store/examiners.h"
#include "store/image-names.h"
#include "store/refresh.h"
#include "store/resolve-path.h"

/* The largest sector of VHDX; tgt takes st_blksize as the physical sector of
 * the disk. */
enum { VIEW_BLKSIZE = 4096 };
/* Examinations after which an image that changes all the time is not waited for
 * again. */
enum { EXAMINE_TRIES = 100 };

bool image_stat_fs_writable_locked(const struct store_image *image)
{
	/* An immutable file answers EPERM. */
	return !image->names ||
	       faccessat(image->store->roots[0].fd, image->names->real, W_OK,
			 AT_EACCESS) == 0 ||
	       (errno != EROFS && errno != EPERM);
}

/* Is the child the new leaf of a replacement of this image's leaf?  The next
 * open for writing removes one that a crash left (leaf-steps.h). */
static bool is_new_leaf(const struct store_image *image,
			const struct store_image *child)
{
	if (!child->names || !name_is_new_leaf(child->names->name))
		return false;
	for (struct dir_entry *e = image->names; e; e = e->next_name) {
		const char *leaf = child->names->name + 1;
		size_t len = strlen(e->name);

		if (e->dir == child->names->dir &&
		    !strncmp(leaf, e->name, len) &&
		    !strcmp(leaf + len, NAME_LEAF_SUFFIX))
			return true;
	}
	return false;
}

/* Will an open for writing find the image writable, after it recovered the
 * image?  The kernel asks for the mode before that. */
static bool recovers_writable_locked(const struct store_image *image,
				     const struct stat *st)
{
	const struct store_image *unknown =
		ancestry_unknown_child_locked(image);
	mode_t bits = mode_write_bits(st->st_mode) |
		      (image->info.lost_write_bits & MODE_WRITE_BITS);

	return !image->store->read_only && !image->info.readonly && bits &&
	       (!image->children ||
		(image->children == 1 && is_new_leaf(image, image->child))) &&
	       (!unknown || is_new_leaf(image, unknown)) &&
	       image_stat_fs_writable_locked(image);
}

bool image_stat_writable_locked(const struct store_image *image,
				const struct stat *st)
{
	return !image->store->read_only && !image->children &&
	       !image->info.readonly && !ancestry_unknown_child_locked(image) &&
	       mode_write_bits(st->st_mode) &&
	       image_stat_fs_writable_locked(image);
}

/* stat of the file, by the first name that still refers to it. */
static int stat_file_locked(struct store_image *image, struct stat *ret_st)
{
	int r = -ESTALE;

	for (struct dir_entry *e = image->names; e && r < 0; e = e->next_name)
		r = resolve_stat(image->store, e, ret_st);
	return r;
}

void image_stat_shape_locked(const struct store_image *image, struct stat *st)
{
	mode_t mode = mode_without_lent(st->st_mode) & 0777;

	if (recovers_writable_locked(image, st))
		mode |= image->info.lost_write_bits;
	else
		mode &= ~MODE_WRITE_BITS;
	if (image->error && !image->write_opens)
		mode = 0;
	st->st_mode = S_IFREG | mode;
	st->st_ino = image->disk.ino;
	st->st_size = image->error ? 0 : (off_t)image->info.size;
	/* An image that is open for writing is not examined; one whose file
	 * could not be read just now keeps its size for its handles. */
	if ((image->write_opens || image->retry_at) &&
	    atomic_load(&image->size))
		st->st_size = (off_t)atomic_load(&image->size);
	st->st_blksize = VIEW_BLKSIZE;
}

static int examine_and_stat_locked(struct store_image *image,
				   struct stat *ret_st)
{
	struct stat st;
	int r = stat_file_locked(image, &st);

	if (r < 0)
		return r;
	catalog_check_stamp_locked(image, &st);
	examiners_wait_locked(image);
	/* It was removed meanwhile. */
	if (!image->names)
		return -ESTALE;
	image_stat_shape_locked(image, &st);
	*ret_st = st;
	return 0;
}

/* Only because another one is about to be examined, as those are that were
 * closed a moment ago, this image may not be written.  One whose examination is
 * slow (examiners.c) is not pending. */
static bool waits_for_child_locked(const struct store_image *image)
{
	const struct store_image *child = ancestry_unknown_child_locked(image);

	return !image->store->read_only && !image->children && child &&
	       child->pending;
}

int image_stat_locked(struct store_image *image, struct stat *ret_st)
{
	int r = examine_and_stat_locked(image, ret_st);

	for (int i = 0;
	     r == 0 && i < EXAMINE_TRIES && waits_for_child_locked(image);
	     i++) {
		store_refresh_locked(image->store);
		r = examine_and_stat_locked(image, ret_st);
	}
	return r;
}
