/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Image names: which names of a store are images, and how their views are
 * called.  The format of a file is read from its contents, not from its name.
 */
#ifndef VHDFS_STORE_IMAGE_NAMES_H
#define VHDFS_STORE_IMAGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_VIEW_SUFFIX ".raw"
#define NAME_LEAF_SUFFIX ".leaf"

/* Does name have the ending of an image (format/registry.h), in any case, and
 * not begin with a dot? */
bool name_is_image(const char *name);

/* Is view an image's name and ".raw"?  *ret_len: length of the image's name. */
bool name_is_view(const char *view, size_t *ret_len);

/* Is path that of a new leaf that has not got its name yet: ".NAME.leaf"
 * (leaf-steps.h)?  Also as /proc shows the path of an open file. */
bool name_is_new_leaf(const char *path);

/* The path of a file in the directory of path; the caller frees it.  Null: out
 * of memory. */
char *name_sibling(const char *path, const char *file);

/* The last component of a path. */
const char *name_last(const char *path);

#endif
