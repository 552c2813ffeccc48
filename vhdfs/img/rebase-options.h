/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options of a rebase, whatever way is taken (rebase-disk.h). */
#ifndef VHDFS_IMG_REBASE_OPTIONS_H
#define VHDFS_IMG_REBASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct rebase_options {
	bool unsafe; /* does not compare contents */
	/* A file is removed afterwards: the copies of a mount may use its
	 * reserve. */
	bool frees_space;
	uint64_t rate; /* bytes in a second that are copied at most; 0: any */
	/* If not null: set to the room if there is too little; else to 0. */
	struct rebase_room *room;
};

#endif
