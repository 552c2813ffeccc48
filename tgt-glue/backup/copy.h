/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copy of a file with its holes, or as shared extents where the file system has
 * them. */
#ifndef TGT_GLUE_BACKUP_COPY_H
#define TGT_GLUE_BACKUP_COPY_H

#include <stdint.h>

#include "io/io.h"

/*
 * Gives the empty file `to' the contents, the owner, the mode, the attributes
 * but for the one named except, and the modification time of `from', which does
 * not change meanwhile.  Syncs nothing.  Shows progress.  *ret_copied: bytes
 * that were written; none if the file system shares them.
 *
 * 0, or -errno with a message; -EINTR: a signal arrived (stop.h).
 */
int copy_file(struct io *from, struct io *to, const char *except,
	      uint64_t *ret_copied);

#endif
