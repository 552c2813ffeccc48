/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One image file, examined. */
#ifndef VHDFS_STORE_EXAMINE_H
#define VHDFS_STORE_EXAMINE_H

#include "store/store-internal.h"

enum { EXAMINE_PATHS = 8 };

/* What is to be examined, and what was found. */
struct examination {
	struct file_id id;
	char *paths[EXAMINE_PATHS]; /* where the file is */
	size_t n_paths;
	bool ours;   /* it is open here */
	bool hidden; /* it need not be an image */
	int64_t began;
	struct image_info info; /* with error where result is not 0 */
	struct file_stamp stamp;
	/* -EBUSY: what was read means nothing, for it changes meanwhile. */
	int result;
	bool gone; /* there is no such file */
};

/* Without a lock of the store. */
void examine(struct store *store, struct examination *e);
/* What an open chain says of its leaf; an error with words. */
int examine_chain(struct chain *chain, struct image_info *info);
void image_info_fini(struct image_info *info);
/* A copy, of which there always is one; let go of by image_info_free_text. */
char *image_info_copy_text(const char *text);
void image_info_free_text(char *text);

#endif
