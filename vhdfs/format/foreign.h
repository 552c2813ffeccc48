/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Foreign containers: files in which another program keeps a disk (qcow2, VMDK,
 * VDI, ...) or packs files (gzip, xz, zip, ...).  Taken for a raw disk such a
 * file would give a disk of garbage, so none is.
 */
#ifndef VHDFS_FORMAT_FOREIGN_H
#define VHDFS_FORMAT_FOREIGN_H

#include "io/io.h"

/*
 * Looks for the signature of a foreign container, at the beginning of the file
 * and at its end.  0 where there is none; -EMEDIUMTYPE with words that say
 * which container the file is and which command makes a raw disk of it; another
 * negative errno with words where the file cannot be read.  Reads only.  May be
 * called from any thread.
 */
int foreign_refuse(struct io *io);
/* The same, but tells: *ret is which container the file is ("a qcow2 image"),
 * or null. */
int foreign_find(struct io *io, const char **ret);

#endif
