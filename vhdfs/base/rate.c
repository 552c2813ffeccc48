/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rate of copies. */
#include "config.h"

#include "base/rate.h"

#include <time.h>

#include "base/clock.h"

void rate_keep(uint64_t rate, uint64_t copied, int64_t began)
{
	int64_t due, wait;
	struct timespec delay;

	if (!rate)
		return;
	due = (int64_t)((double)copied / (double)rate * 1e6);
	wait = due - (clock_us() - began);
	if (wait <= 0)
		return;
	delay = (struct timespec){ .tv_sec = wait / 1000000,
				   .tv_nsec = wait % 1000000 * 1000 };
	nanosleep(&delay, NULL);
}
