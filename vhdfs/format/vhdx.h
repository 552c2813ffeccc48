/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VHDX images: see vhdx-layout.h for what is on disk, vhdx.c for the driver. */
#ifndef VHDFS_FORMAT_VHDX_H
#define VHDFS_FORMAT_VHDX_H

#include "format/image.h"

extern const struct image_ops vhdx_ops;

#endif
