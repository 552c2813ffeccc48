/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for the parent's file that a differencing image names. */
#ifndef VHDFS_CHAIN_PARENT_SEARCH_H
#define VHDFS_CHAIN_PARENT_SEARCH_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "format/image.h"

struct parent_cache;
struct root_dir; /* io/rootdir.h */

/*
 * Finds the parent that ref, child's reference, names.  child_path: path of
 * the child, as root_dir_open returned it.  *ret_path: as user.vhdfs.parent
 * shows it, relative to the store if the store is confined and the parent is in
 * it, else absolute; the caller frees it.  *ret_dev and *ret_ino identify the
 * file, which is not open any more.  Errors: those of chain_open.
 */
int parent_cache_find(struct parent_cache *cache, const char *child_path,
		      const struct parent_ref *ref, const struct image *child,
		      char **ret_path, dev_t *ret_dev, ino_t *ret_ino);

/* For the files of this folder. */

/* An open file that was found: its root directory, and its path there. */
struct found_parent {
	size_t rootdir; /* index */
	char *real;     /* owned */
	struct io *io;  /* owned */
};

void found_parent_fini(struct found_parent *found);

/* Zeros but for the first six. */
struct parent_search {
	const struct root_dir *roots;
	size_t n_roots;
	const struct parent_ref *ref;
	const char *child;    /* its name in messages */
	uint32_t sector_size; /* of the child */
	size_t rootdir;       /* index of the child's root directory */
	char dir[PATH_MAX];   /* of the child, "" or "a/b/" */
	struct error why;     /* best reason so far; code 0: no candidate */
};

/* Fills in s for a child at path real in the root directory s->rootdir. */
void parent_search_init(struct parent_search *s, struct parent_cache *cache,
			const char *real);
/* *ret: the parent's file, open for reading; or an error with a message. */
int parent_search_run(struct parent_search *s, struct found_parent *ret);
/*
 * 0 if img is the parent that the child names, or -ESTALE with a message.  The
 * disk may have another size than the child's: Hyper-V and Xen resize children.
 */
int parent_search_check(const struct parent_search *s, const struct image *img);
/* The file's path as chain_path returns it, for the caller to free; null: no
 * memory. */
char *parent_search_path(const struct parent_search *s,
			 const struct found_parent *found);
/* Sets the name that messages show.  0, or -ENOMEM with a message. */
int parent_search_rename(struct io *io, const char *name);

#endif
