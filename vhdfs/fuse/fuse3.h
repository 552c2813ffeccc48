/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Includes libfuse with the same API version in every file. */
#ifndef VHDFS_FUSE_FUSE3_H
#define VHDFS_FUSE_FUSE3_H

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>

#endif
