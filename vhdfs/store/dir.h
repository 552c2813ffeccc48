/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Directories: the directories of the store and their entries.  All functions
 * are called with store.lock held.  They return 0 or -errno, without a message.
 */
#ifndef VHDFS_STORE_DIR_H
#define VHDFS_STORE_DIR_H

#include "store/store-internal.h"

/* Adds a directory, stale, to the store.  path: as the mount shows it; real:
 * its path in the store, links followed; links: symbolic links in path.  Both
 * texts are copied. */
int dir_add_locked(struct store *store, const char *path, const char *real,
		   unsigned links, bool hidden);
/* The directory with this path, as the mount shows it; null: none. */
struct dir *dir_find_locked(struct store *store, const char *path);
void dir_free_all(struct store *store);
/* The entry whose name is the first len bytes of name; null: none. */
struct dir_entry *dir_find_entry_locked(struct dir *dir, const char *name,
					size_t len);
/* Adds, replaces or removes the entry of name, by what the name refers to now.
 * After an error that may pass (error_is_passing) the entry stays as it is,
 * until the next refresh. */
int dir_refresh_name_locked(struct store *store, struct dir *dir,
			    const char *name);
/* Marks stale the directories in which a name could not be read. */
void dir_retry_locked(struct store *store);
/* Reads all stale directories, but for unread ones behind more than one link;
 * then, where a name was added or removed, resolves all symbolic links again.
 */
void dir_read_stale_locked(struct store *store);
/* Resolves the symbolic links in the directory again. */
void dir_refresh_links_locked(struct store *store, struct dir *dir);
/* Reads the directory, and refreshes each name in it.  May free directories
 * behind it in the store's list. */
void dir_read_locked(struct store *store, struct dir *dir);
/* Does the mount show the entry? */
bool dir_shows_locked(struct dir_entry *entry);

#endif
