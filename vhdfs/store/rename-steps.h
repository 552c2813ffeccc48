/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Steps of the rename of an image with its snapshots, for image-rename.c, which
 * states them, N1 to N8.
 *
 * Each function that returns an int returns 0, or -errno with a message.
 *
 * THREADS: one thread at a time for each struct renaming.
 */
#ifndef VHDFS_STORE_RENAME_STEPS_H
#define VHDFS_STORE_RENAME_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "format/image.h"
#include "store/leaf-steps.h"
#include "store/rename-record.h"
#include "store/rename-request.h"
#include "store/snapshot.h"

/* An image file of the directory. */
struct item {
	const struct snapshot_file *file;
	char *from, *to;     /* owned; null: it keeps its name */
	struct item *parent; /* in the directory; null: none */
	bool names_anew;     /* N4 is for it */
	bool done;
	struct io *io; /* owned by img, if that is set */
	struct image *img;
};

struct renaming {
	const struct image_rename *request;
	struct leaf_place place;
	struct rename_record record;
	bool undoes; /* the items get the names that they had */
	struct snapshots all;
	struct item *items;
	size_t n;
};

/* The name that the snapshots' names and marks have at the end. */
static inline const char *renaming_to(const struct renaming *r)
{
	return r->undoes ? r->record.from : r->record.to;
}

bool item_is_image(const struct renaming *r, const struct item *item);
/* 1; 0: there is no such name. */
int renaming_get_inode(const struct renaming *r, const char *name,
		       struct file_id *ret);
/* One item for each file, which may have two names by now. */
int renaming_make_items(struct renaming *r);
/* Sets the names of the items that the record has. */
int renaming_set_names(struct renaming *r);
/* N1, after the names were set. */
int renaming_lock_all(struct renaming *r);
/* N3; or N6, which is for the image. */
int renaming_link(const struct renaming *r, bool image);
/* N3 to N5 */
int renaming_apply(struct renaming *r);
/* N7 and N8 */
int renaming_remove_old(const struct renaming *r);
void renaming_fini(struct renaming *r);

#endif
