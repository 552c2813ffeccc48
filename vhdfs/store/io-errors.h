/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * I/O errors: failed reads, writes and flushes of the disks of a mount, which
 * the attribute user.vhdfs.io-errors of its root directory tells:
 *
 *     TOTAL
 *     COUNT IMAGE
 *     ...
 *
 * COUNT: of the image's view since the worker began, where it is not 0; IMAGE:
 * the first name of its file as its path in the store, printable
 * (base/printable.h).  Images that no longer fit are left out.
 *
 * What a client does wrong is not counted: a write past the end of the disk, or
 * to one that is read-only.
 */
#ifndef VHDFS_STORE_IO_ERRORS_H
#define VHDFS_STORE_IO_ERRORS_H

#include "store/store.h"

#define IO_ERRORS_ATTRIBUTE "user.vhdfs.io-errors"

enum { IO_ERRORS_SIZE = 60 << 10 }; /* of the text at most */

/* Counts the failure r of a request.  Thread-safe. */
void io_errors_count(struct store_image *image, int r);
/* The attribute's text, the caller's to free.  It waits for no image.  Null:
 * out of memory. */
char *io_errors_text(struct store *store);

#endif
