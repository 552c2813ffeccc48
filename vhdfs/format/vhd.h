/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD images: see vhd-layout.h for what is on disk, vhd.c for the driver. */
#ifndef VHDFS_FORMAT_VHD_H
#define VHDFS_FORMAT_VHD_H

#include "format/image.h"

extern const struct image_ops vhd_ops;

/* Does the file end with a good footer of a fixed image that fits it? 1 or 0,
 * or an error of reading. */
int vhd_is_fixed(struct io *io);

/*
 * Makes a fixed VHD of the raw disk in io, in place, by adding a footer; a
 * last part that is no whole sector is padded with zeros first.  -EINVAL for
 * an empty file or one that is a VHD, -EFBIG above 2040 GiB.  What it leaves
 * is synced.
 */
int vhd_append_footer(struct io *io);

#endif
