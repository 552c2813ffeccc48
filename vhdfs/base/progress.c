/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Progress of a long command, in percent, if standard error is a terminal. */
#include "config.h"

#include "base/progress.h"

#include <stdio.h>
#include <unistd.h>

enum { PRINT_EVERY_MS = 200 };

void progress_init(struct progress *progress, uint64_t total)
{
	*progress = (struct progress){ .total = total };
	progress->shown = total && isatty(STDERR_FILENO);
}

void progress_at(struct progress *progress, uint64_t done)
{
	struct timespec now;
	int64_t ms;

	if (!progress->shown)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (now.tv_sec - progress->last.tv_sec) * 1000 +
	     (now.tv_nsec - progress->last.tv_nsec) / 1000000;
	if (ms < PRINT_EVERY_MS)
		return;
	progress->last = now;
	fprintf(stderr, "\r%5.1f %%", 100.0 * done / progress->total);
	fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (progress->shown)
		fprintf(stderr, "\r\033[K");
	progress->shown = false;
}
