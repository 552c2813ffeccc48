/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "format/vhdx.h"

const struct image_ops vhdx_ops = { .name = "vhdx" };
