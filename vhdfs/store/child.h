/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Creating a differencing image (child) of a parent. */
#ifndef VHDFS_STORE_CHILD_H
#define VHDFS_STORE_CHILD_H

#include <stdint.h>

struct child_params {
	uint64_t block_size; /* bytes; 0: the default */
	/* A file whose blocks the child takes over (atomic_file_create, spare);
	 * null: none. */
	const char *room;
};

struct root_dir;

/*
 * Creates, at child_path, an empty child of the image at parent_path, in the
 * parent's format and of its size.  parent_path is relative to rootdir
 * (root_dir_open); child_path is any path, which must be inside rootdir where
 * that is confined (-EXDEV).  The child gets its name when it is complete.  The
 * parent is locked against writers meanwhile, and loses its write bits.
 *
 * 0 or -errno with a message: -EEXIST where child_path exists; -EBUSY where
 * another program has the parent open for writing; the errors of image_open.
 */
int child_create(const struct root_dir *rootdir, const char *parent_path,
		 const char *child_path, const struct child_params *params);

/* *ret: upper limit of the size of such a child's file, bytes. */
int child_size(const struct root_dir *rootdir, const char *parent_path,
	       const struct child_params *params, uint64_t *ret);

#endif
