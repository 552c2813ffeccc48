/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts the memory that the program holds, and its maximum, for tests of the
 * library's limits.  Counts allocations of the program's own objects, when it
 * is linked with
 *
 *     -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
 *     -Wl,--wrap=free -Wl,--wrap=strdup
 *
 * Not thread-safe.
 */
#ifndef VHDFS_TESTS_MEM_COUNT_H
#define VHDFS_TESTS_MEM_COUNT_H

#include <stddef.h>

/* Starts: memory that is held now is not counted. */
void mem_count_start(void);
/* The maximum that was held since then. */
size_t mem_count_peak(void);

#endif
