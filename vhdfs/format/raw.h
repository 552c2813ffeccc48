/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The raw driver: the file is the disk. */
#ifndef VHDFS_FORMAT_RAW_H
#define VHDFS_FORMAT_RAW_H

#include "format/image.h"

extern const struct image_ops raw_ops;

#endif
