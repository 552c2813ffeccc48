/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHD images: see vhd-layout.h for what is on disk, vhd.c for the driver. */
#ifndef VHDFS_FORMAT_VHD_H
#define VHDFS_FORMAT_VHD_H

#include "format/image.h"

extern const struct image_ops vhd_ops;

#endif
