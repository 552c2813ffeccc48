/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check that no master descends from a client's image. */
#ifndef TGT_GLUE_VERSIONS_CHECK_PARENTS_H
#define TGT_GLUE_VERSIONS_CHECK_PARENTS_H

#include "tgt-glue/config/fleet.h"

/* A line for each image, in the directories of the masters of fleet.conf, that
 * has an ancestor in clients/ or disks/: such a master changes, or is lost,
 * with that client.  The lines are in arena. */
struct strings check_parents(const struct fleet *fleet, struct arena *arena);

#endif
