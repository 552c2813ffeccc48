/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clock: a time that only grows. */
#ifndef VHDFS_BASE_CLOCK_H
#define VHDFS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC, in microseconds. */
static inline int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

#endif
