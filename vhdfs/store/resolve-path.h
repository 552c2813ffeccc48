/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a name stands for.  All return -errno, without words. */
#ifndef VHDFS_STORE_RESOLVE_PATH_H
#define VHDFS_STORE_RESOLVE_PATH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "store/store-internal.h"

bool file_id_equal(const struct file_id *a, const struct file_id *b);
/* Opens a path in the store that no link leads out of. */
int resolve_beneath(const struct store *store, const char *path,
		    unsigned flags);
/* "dir/name", or name where dir is the store; null: out of memory. */
char *resolve_join(const char *dir, const char *name);
/* What a name stands for: fills in link, real and id of ret; name stays the
 * caller's. */
int resolve_name(struct store *store, struct dir *dir, const char *name,
		 struct dir_entry *ret, struct stat *ret_st);
/* The file or directory behind an entry, links followed inside the store. */
int resolve_stat(struct store *store, struct dir_entry *entry,
		 struct stat *ret_st);

#endif
