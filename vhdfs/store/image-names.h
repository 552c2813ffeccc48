/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names: which files of a store are images, and what their views are called.
 * By the name alone; which format a file has is read from its bytes.
 */
#ifndef VHDFS_STORE_IMAGE_NAMES_H
#define VHDFS_STORE_IMAGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_VIEW_SUFFIX ".raw"

/* Does name end like an image's, in any case, and not begin with a dot? */
bool name_is_image(const char *name);

/*
 * Is view the name of an image's view, which is the image's with ".raw"?  Then
 * *ret_len is how much of it is the image's name.
 */
bool name_is_view(const char *view, size_t *ret_len);

/* The last part of a path with '/' between its parts. */
const char *name_last(const char *path);

#endif
