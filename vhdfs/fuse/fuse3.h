/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libfuse, of one version everywhere. */
#ifndef VHDFS_FUSE_FUSE3_H
#define VHDFS_FUSE_FUSE3_H

#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>

#endif
