/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Catalog: the images of a store by file, and the queue of those to examine.
 * All functions are called with store.lock held.
 */
#ifndef VHDFS_STORE_CATALOG_H
#define VHDFS_STORE_CATALOG_H

#include <sys/stat.h>

#include "store/store-internal.h"

/* A name was added, removed, or refers to another file: the children that name
 * it as their parent are to be examined (catalog_mark_dependents_locked). */
void catalog_name_changed_locked(struct store *store, const char *name);
/* The image of this file, created where there is none.  Takes no reference.
 * Null: out of memory. */
struct store_image *catalog_get_locked(struct store *store,
				       const struct file_id *id);
/* The image's first name as its path in the store, for messages; "(removed)"
 * where it has none. */
const char *catalog_path_locked(const struct store_image *image);
/* Frees the image if it has no name, no reference and no open.  To be called
 * whenever it has lost one. */
void catalog_release_locked(struct store_image *image);
/* Marks the image stale, and queues it unless it is open for writing. */
void catalog_mark_stale_locked(struct store_image *image);
/* Compares st, of the image's file, with the file as it was examined; marks the
 * image stale where they differ. */
void catalog_check_stamp_locked(struct store_image *image,
				const struct stat *st);
/* The image of this file; null: none.  Takes no reference. */
struct store_image *catalog_find_locked(const struct store *store,
					const struct file_id *id);
/* Exchanges the files of two images of the store, with their names and infos.
 * Neither is being examined.  Allocates nothing. */
void catalog_exchange_locked(struct store_image *a, struct store_image *b);
/* Sets image.pending, and counts it in store.n_pending. */
void catalog_set_pending_locked(struct store_image *image, bool yes);
void catalog_unqueue_locked(struct store_image *image);
/* Did an examination fail for a reason that may have passed by now? */
bool catalog_retry_is_due(const struct store_image *image);
/* Marks stale the images whose parent is searched by a name that changed. */
void catalog_mark_dependents_locked(struct store *store);
/* Calls visit for each image; it must neither add nor remove one. */
typedef void image_visitor(struct store_image *image, void *ctx);
void catalog_each_locked(const struct store *store, image_visitor *visit,
			 void *ctx);

#endif
