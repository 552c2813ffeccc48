/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VHD format.  vhd-layout.h has the structures on disk. */
#ifndef VHDFS_FORMAT_VHD_H
#define VHDFS_FORMAT_VHD_H

#include "format/image.h"

extern const struct image_ops vhd_ops;

#endif
