/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Search for a child of an image by the content of files, in a directory and
 * those below it.  For a recovery, which has no store open; store_find_child is
 * the search of an open store.
 *
 * THREADS: any.
 */
#ifndef VHDFS_STORE_CHILD_SEARCH_H
#define VHDFS_STORE_CHILD_SEARCH_H

#include <stdbool.h>

#include "io/file-id.h"
#include "io/rootdir.h"

/*
 * Has the image in io, which lies in the directory dir (absolute, links
 * followed), a child but the file except?  Searches the root directory if it is
 * confined; else the directory above dir, but not the whole file system.  0, or
 * -errno with a message: -EBUSY: a file that may be a child cannot be read.
 */
int child_search(const struct root_dir *rootdir, const char *dir,
		 const struct io *io, struct file_id except, bool *ret);

#endif
