/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resolving paths: the file that a name refers to, symbolic links followed
 * inside the store.  Errors are -errno, without a message.
 */
#ifndef VHDFS_STORE_RESOLVE_PATH_H
#define VHDFS_STORE_RESOLVE_PATH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "store/store-internal.h"

/* Opens path, relative to the store; -EXDEV where it leads out of the store.
 * A descriptor or -errno. */
int resolve_beneath(const struct store *store, const char *path,
		    unsigned flags);
/* "dir/name", or name where dir is ""; the caller's to free.  Null: out of
 * memory. */
char *resolve_join(const char *dir, const char *name);
/* Sets is_link, real and id of entry, and *ret_st, to what its name refers to.
 * -EXDEV: a link that leads out of the store. */
int resolve_name(struct store *store, struct dir_entry *entry,
		 struct stat *ret_st);
/* stat of the file or directory that the entry refers to.  -ESTALE: it refers
 * to another file now, or leads out of the store. */
int resolve_stat(struct store *store, struct dir_entry *entry,
		 struct stat *ret_st);

#endif
