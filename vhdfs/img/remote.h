/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remote disks: an export of an NBD server, named by an NBD URI, as a struct io
 * that is read only.
 *
 * The server gives a disk.  What is on it is never taken for an image, so
 * chain_open gets CHAIN_ALWAYS_RAW.
 *
 * One thread at a time uses a remote disk.
 */
#ifndef VHDFS_IMG_REMOTE_H
#define VHDFS_IMG_REMOTE_H

#include <stdbool.h>

#include "chain/chain.h"

/* Is name an NBD URI (nbd:, nbds:, nbd+unix:, ...), and no path? */
bool remote_is_uri(const char *name);
/* The URI for messages: a password in it is replaced by "***".  The caller's to
 * free; null: out of memory. */
char *remote_name(const char *uri);

/*
 * A place whose paths are NBD URIs, for parent_cache_new.  Its files are opened
 * for reading only.  A failure has words: the URI, what the server said, and
 * what to do.  -EOPNOTSUPP: this build has no libnbd.
 */
extern const struct root_dir remote_rootdir;

/* -EMEDIUMTYPE with words where the disk begins or ends as a container or an
 * image does: then the server exports that file instead of the disk in it. */
int remote_refuse_container(struct io *io);
/* Adds what to do to the last failure's words, where it is one of reading this
 * remote disk. */
void remote_advise(const struct io *io);

#endif
