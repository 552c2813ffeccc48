/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of a client's disk is its own, and no longer its master's. */
#ifndef TGT_GLUE_COMMAND_DIVERGENCE_H
#define TGT_GLUE_COMMAND_DIVERGENCE_H

#include "tgt-glue/config/fleet.h"

struct divergence {
	uint64_t blocks; /* in which the client's image says something */
	uint64_t of;     /* all blocks of the disk; 0: not known */
};

/*
 * Reads the tables of the client's image, without locks: as they were when the
 * client flushed last.  Not known where there is no image, where it cannot be
 * read, or where it was just being written.
 */
struct divergence divergence_of(const struct fleet *fleet,
				const struct client *client);

#endif
