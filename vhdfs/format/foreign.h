/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign containers: files of other programs that hold a disk (qcow2, VMDK,
 * VDI, ...) or packed files (gzip, xz, zip, ...).  They are refused as raw
 * disks, because their bytes are not those of a disk.
 */
#ifndef VHDFS_FORMAT_FOREIGN_H
#define VHDFS_FORMAT_FOREIGN_H

#include "io/io.h"

/*
 * Searches the file's start and end for the signature of a foreign container.
 * 0 if there is none; -EMEDIUMTYPE with a message that names the container and
 * the command that makes a raw disk of it; another negative errno if the file
 * cannot be read.  titles, for the message: of the formats that are no raw
 * disks (image_format_titles).  Reads only.  From any thread.
 */
int foreign_refuse(struct io *io, const char *titles);

/* The same search: sets *ret to the container ("a qcow2 image") or null. */
int foreign_find(struct io *io, const char **ret);

#endif
