/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far long work is: on standard error, when that is a terminal. */
#ifndef VHDFS_IMG_PROGRESS_H
#define VHDFS_IMG_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	bool shown; /* is there somebody to see it? */
	uint64_t total;
	struct timespec last; /* when it was printed */
};

void progress_init(struct progress *progress, uint64_t total);
/* done of total. Cheap enough to be called for every piece. */
void progress_at(struct progress *progress, uint64_t done);
/* Takes the line off the terminal. */
void progress_end(struct progress *progress);

#endif
