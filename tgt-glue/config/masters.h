/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What fleet.conf says of masters, found among the names in the store. */
#ifndef TGT_GLUE_CONFIG_MASTERS_H
#define TGT_GLUE_CONFIG_MASTERS_H

#include "tgt-glue/config/fleet.h"

/*
 * The image that wanted names: itself where it has an image's ending, else the
 * one with an ending added; format ("vhd", "vhdx", or null) chooses where there
 * are two.  Returns its path in the store, of the fleet's pool; or null, and
 * *ret_found says what there is instead.
 */
const char *masters_find(struct fleet *fleet, const char *wanted,
			 const char *format, const char **ret_found);

/*
 * A client's image is written to: no master of another client and no second
 * client's image may be the same file, under whatever name.  Notes such
 * mistakes.
 */
void masters_check_images(struct fleet *fleet);

#endif
