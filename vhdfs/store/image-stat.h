/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image stat: what stat of a view answers, and whether the image may be
 * written.  All functions are called with store.lock held.
 */
#ifndef VHDFS_STORE_IMAGE_STAT_H
#define VHDFS_STORE_IMAGE_STAT_H

#include <stdbool.h>
#include <sys/stat.h>

struct store;
struct store_image;

/* stat of the image's view.  Examines the image and its parents where they are
 * stale, and waits for examinations on which it depends whether the image may
 * be written, but not for slow ones (examiners.c).  Releases store.lock
 * meanwhile; the caller holds a reference.
 * -ESTALE, without a message: the file has no name in the store any more. */
int image_stat_locked(struct store_image *image, struct stat *ret_st);
/* Turns st, the stat of the image's file, into that of its view. */
void image_stat_shape_locked(const struct store_image *image, struct stat *st);
/* False where the file is on a read-only file system, or immutable. */
bool image_stat_fs_writable_locked(const struct store_image *image);
/* May the image be opened for writing?  st: the stat of its file. */
bool image_stat_writable_locked(const struct store_image *image,
				const struct stat *st);

#endif
