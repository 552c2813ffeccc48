/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Progress of a long command, in percent, if standard error is a terminal. */
#ifndef VHDFS_BASE_PROGRESS_H
#define VHDFS_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	bool shown; /* standard error is a terminal, total is not 0 */
	uint64_t total;
	struct timespec last; /* time of the last output */
};

void progress_init(struct progress *progress, uint64_t total);
/* done of total is finished.  Prints at most five times a second. */
void progress_at(struct progress *progress, uint64_t done);
/* Removes the line from the terminal. */
void progress_end(struct progress *progress);

#endif
