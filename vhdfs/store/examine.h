/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Examining an image file: read its headers and find the file of its parent.
 * Needs no lock of the store.
 */
#ifndef VHDFS_STORE_EXAMINE_H
#define VHDFS_STORE_EXAMINE_H

#include "store/store-internal.h"

enum { EXAMINE_PATHS = 8 };

/* An image file to examine, and the result. */
struct examination {
	struct file_id id;
	char *paths[EXAMINE_PATHS]; /* names of the file, in the store */
	size_t n_paths;
	bool ours;     /* it is open in this process */
	bool hidden;   /* a file of no format is no image, not a raw one */
	int64_t began; /* clock_us() */
	struct image_info info;  /* with error where result is not 0 */
	struct file_stamp stamp; /* of the file, before it was read */
	/* 0 or -errno.  -EBUSY: another program may be writing the file, so
	 * that what was read may be wrong. */
	int result;
	bool gone; /* no path led to the file */
};

/* Sets info, stamp, result and gone. */
void examine(struct store *store, struct examination *e);
/* Sets info from the leaf of an open chain.  -errno with a message; info is
 * then incomplete, and still the caller's to free. */
int examine_chain(struct chain *chain, struct image_info *info);
void image_info_fini(struct image_info *info);
/* A copy of text, or a constant text when out of memory; to be freed by
 * image_info_free_text. */
char *image_info_copy_text(const char *text);
void image_info_free_text(char *text);
/* Equal texts, or both null? */
bool image_info_same_text(const char *a, const char *b);

#endif
