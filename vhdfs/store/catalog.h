/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The images of a store, and which are to be examined. */
#ifndef VHDFS_STORE_CATALOG_H
#define VHDFS_STORE_CATALOG_H

#include <sys/stat.h>

#include "store/store-internal.h"

/* A name has come or gone: children may look for it. */
void catalog_name_changed_locked(struct store *store, const char *name);
/* The image with this id, made where there is none; null: out of memory. */
struct store_image *catalog_get_locked(struct store *store,
				       const struct file_id *id);
/* The image lost a name or a reference: frees it when it has none left. */
void catalog_release_locked(struct store *store, struct store_image *image);
/* It is to be examined. */
void catalog_mark_stale_locked(struct store *store, struct store_image *image);
/* Is what was read still so, by st, its file's? Else marks it. */
void catalog_check_stamp_locked(struct store *store, struct store_image *image,
				const struct stat *st);
/* The image with this id; null for none. */
struct store_image *catalog_find_locked(const struct store *store,
					const struct file_id *id);
/* Queued or being examined, and requests wait for that. */
void catalog_set_pending_locked(struct store *store, struct store_image *image,
				bool yes);
void catalog_unqueue_locked(struct store *store, struct store_image *image);
/* CLOCK_MONOTONIC, nanoseconds. */
int64_t catalog_now(void);
/* It could not be read for no fault of its own, and is to be tried again. */
bool catalog_retry_is_due(const struct store_image *image);
/* Marks the images whose parents may be others by the names that changed. */
void catalog_mark_dependents_locked(struct store *store);
typedef void image_visitor(struct store *store, struct store_image *image);
void catalog_each_locked(struct store *store, image_visitor *visit);

#endif
