/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "format/vhd.h"

const struct image_ops vhd_ops = { .name = "vhd" };
