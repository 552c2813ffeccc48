/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of fleet.conf and of the files that it names, in a backup. */
#ifndef TGT_GLUE_BACKUP_CONFIG_FILES_H
#define TGT_GLUE_BACKUP_CONFIG_FILES_H

#include "io/rootdir.h"
#include "tgt-glue/config/fleet.h"

/* The directory in a backup.  A file below the directory of fleet.conf has the
 * same path below this one; any other file its absolute path below OTHER. */
#define CONFIG_DIRECTORY "config"
#define CONFIG_OTHER CONFIG_DIRECTORY "/other"

/*
 * Copies the files that have changed, each atomically, with their mode; that of
 * a file with a secret is 0600.  Tries all.  0, or the first -errno with a
 * message.
 */
int config_files_copy(const struct fleet *fleet, const struct root_dir *to,
		      struct arena *arena);

#endif
