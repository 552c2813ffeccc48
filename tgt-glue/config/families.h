/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The masters of a fleet, and the others in its store, as families
 * (versions.h). */
#ifndef TGT_GLUE_CONFIG_FAMILIES_H
#define TGT_GLUE_CONFIG_FAMILIES_H

#include "tgt-glue/config/fleet.h"

/* Those of the fleet's disks, each once, in the order of fleet.conf.  The list
 * is in arena. */
struct strings families_named(struct arena *arena, const struct fleet *fleet);
/*
 * Those that no disk of fleet.conf has, by name: in the directory masters of
 * the store, and in those of the others.  An image of a disk is none.  What
 * cannot be read is left out.
 */
struct strings families_unnamed(struct arena *arena, const struct fleet *fleet);

#endif
