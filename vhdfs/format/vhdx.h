/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VHDX driver. vhdx-layout.h describes the on-disk format. */
#ifndef VHDFS_FORMAT_VHDX_H
#define VHDFS_FORMAT_VHDX_H

#include "format/image.h"

extern const struct image_ops vhdx_ops;

#endif
