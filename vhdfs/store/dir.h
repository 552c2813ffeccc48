/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories and the names in them. */
#ifndef VHDFS_STORE_DIR_H
#define VHDFS_STORE_DIR_H

#include "store/store-internal.h"

/* Adds the directory at path (real as entry.real) to the store, to be read. */
int dir_add_locked(struct store *store, const char *path, const char *real,
		   unsigned links, bool hidden);
struct dir *dir_find_locked(struct store *store, const char *path);
void dir_free_all(struct store *store);
struct dir_entry *dir_find_entry_locked(struct dir *dir, const char *name,
					size_t len);
/* The name was added, removed, or stands for another file: looks again. Where
 * that cannot be told just now (error_is_passing) all stays as it was, and is
 * looked at again with the next refresh. */
int dir_refresh_name_locked(struct store *store, struct dir *dir,
			    const char *name);
/* Has those directories read again of which something could not be told. */
void dir_retry_locked(struct store *store);
/* Reads again what is stale and on no unbounded way of links; then looks at
 * links again where names have come or gone. */
void dir_read_stale_locked(struct store *store);
/* Looks again at all links in the directory. */
void dir_refresh_links_locked(struct store *store, struct dir *dir);
void dir_read_locked(struct store *store, struct dir *dir);
/* Does the mount show this entry? */
bool dir_shows_locked(struct dir_entry *entry);

#endif
