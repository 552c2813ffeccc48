/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Making a differencing image of a parent. */
#ifndef VHDFS_STORE_CHILD_H
#define VHDFS_STORE_CHILD_H

#include <stdint.h>

/* Zero stands for the default. */
struct child_params {
	uint64_t block_size;
	/* A file beside the child whose blocks it takes: see
	 * atomic_file_create_over. */
	const char *room;
};

struct root_dir;

/*
 * Makes, at child_path, an empty child of the image at parent_path in place (as
 * root_dir_open takes it), in its
 * parent's format and of its size.  The child takes its name when it is whole;
 * the parent is locked against writers meanwhile, and loses its write bits.
 * -EEXIST where something is at child_path; -EBUSY where somebody writes to the
 * parent; what image_open has for a parent that is no sound image.
 * child_path is any path; where the place is confined it must lie in there,
 * else -EXDEV.
 */
int child_create(const struct root_dir *rootdir, const char *parent_path,
		 const char *child_path, const struct child_params *params);

/* How long the file of such a child is at most, bytes. */
int child_size(const struct root_dir *rootdir, const char *parent_path,
	       const struct child_params *params, uint64_t *ret);

#endif
