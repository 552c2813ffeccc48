/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of images in the store: links and hard links, changed atomically and
 * durably. */
#ifndef TGT_GLUE_VERSIONS_LINKS_H
#define TGT_GLUE_VERSIONS_LINKS_H

#include "tgt-glue/config/fleet.h"

/* All paths are in the store, target in the directory of path.  0, or -errno
 * with a message. */

/*
 * path becomes a symbolic link to target, or is one already.  It replaces a
 * symbolic link, or another name of the target, in one step: path never leads
 * to nothing.  -EEXIST: something else is there.
 */
int link_set(const struct fleet *fleet, const char *path, const char *target);
/* Removes the name, if it exists. */
int link_remove(const struct fleet *fleet, const char *path);
/* Gives the file at path another name, in any directory.  The file system may
 * refuse hard links: -EPERM, -EOPNOTSUPP; -EXDEV: the directories are on two
 * file systems. */
int link_file(const struct fleet *fleet, const char *path, const char *name);

#endif
