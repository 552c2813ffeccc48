/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Divergence: how many blocks of a client's disk differ from its master's. */
#ifndef TGT_GLUE_COMMAND_DIVERGENCE_H
#define TGT_GLUE_COMMAND_DIVERGENCE_H

#include "tgt-glue/config/fleet.h"

struct divergence {
	uint64_t blocks; /* blocks that have data in the client's own image */
	uint64_t of;     /* all blocks of the disk; 0: unknown */
	uint64_t size;   /* of the disk, bytes; 0: unknown */
};

/*
 * Reads the tables of the client's image, without locks: as they are since the
 * client's last flush.  Unknown where the image does not exist, cannot be read,
 * or is being written at this moment.
 */
struct divergence divergence_of(const struct fleet *fleet,
				const struct disk *disk);

#endif
