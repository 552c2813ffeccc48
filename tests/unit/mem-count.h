/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory the program holds, and the most it held: for tests of what
 * the library may take, whatever an image claims.  Counts what the program's
 * own objects allocate, when it is linked with
 *
 *     -Wl,--wrap=malloc -Wl,--wrap=calloc -Wl,--wrap=realloc
 *     -Wl,--wrap=free -Wl,--wrap=strdup
 *
 * and is not meant for several threads.
 */
#ifndef VHDFS_TESTS_MEM_COUNT_H
#define VHDFS_TESTS_MEM_COUNT_H

#include <stddef.h>

/* From now on: what is held counts as nothing. */
void mem_count_start(void);
/* The most that was held since then. */
size_t mem_count_peak(void);

#endif
