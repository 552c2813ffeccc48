/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a caller asks of a rename of an image with its snapshots. */
#ifndef VHDFS_STORE_RENAME_REQUEST_H
#define VHDFS_STORE_RENAME_REQUEST_H

#include <stddef.h>

#include "io/file-id.h"
#include "io/rootdir.h"

/* Is called with all files locked, before anything is changed: n files get
 * another name.  0, or -errno with a message, and nothing is changed. */
typedef int image_rename_check(void *ctx, const struct file_id *files,
			       size_t n);

struct image_rename {
	const struct root_dir *rootdir;
	/* The image's path, as root_dir_open returned it.  Its last part is
	 * from; or to, if the image alone was renamed by other means. */
	const char *real;
	const char *from, *to;     /* file names with the same ending */
	image_rename_check *check; /* null: none */
	void *ctx;
};

#endif
