/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remote disk: an export of an NBD server, named by an NBD URI, as a read-only
 * struct io.
 *
 * An export is a raw disk.  Open it with CHAIN_ALWAYS_RAW: its bytes are never
 * interpreted as an image.
 *
 * One thread at a time may use a remote disk.
 */
#ifndef VHDFS_IMG_REMOTE_H
#define VHDFS_IMG_REMOTE_H

#include <stdbool.h>

#include "chain/chain.h"

/* Is name an NBD URI (nbd:, nbds:, nbd+unix:, ...)?  Else it is a path. */
bool remote_is_uri(const char *name);
/* The URI as messages show it: "***" replaces a password.  The caller frees it.
 * Null: out of memory. */
char *remote_name(const char *uri);

/*
 * A root directory for parent_cache_new whose paths are NBD URIs.  Files open
 * read-only.  A failure has a message: the URI, the server's answer, and what
 * to do.  -EOPNOTSUPP: this build has no libnbd.
 */
extern const struct root_dir remote_root_dir;

/* -EMEDIUMTYPE with a message: the disk begins or ends like an image or a
 * container, so the server exports that file instead of the disk in it. */
int remote_refuse_container(struct io *io);
/* If a read of this disk failed, appends what to do to the last error. */
void remote_advise(const struct io *io);

#endif
