/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Raw: the file is the disk. For convert, and as the simplest driver to read.
 */
#ifndef VHDFS_FORMAT_RAW_H
#define VHDFS_FORMAT_RAW_H

#include "format/image.h"

extern const struct image_ops raw_ops;

#endif
