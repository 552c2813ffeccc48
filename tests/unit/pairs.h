/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A parent and a child of each format, for tests of chains. */
#ifndef VHDFS_TESTS_PAIRS_H
#define VHDFS_TESTS_PAIRS_H

#include "unit/disks.h"

#define M (UINT64_C(1) << 20)

extern const char *const endings[]; /* "vhd", "vhdx" */

/* Runs the body once for each format; e is the file name's ending. */
#define FOR_EACH_FORMAT(e)                        \
	for (unsigned e##_ = 0; e##_ < 2; e##_++) \
		for (const char *e = endings[e##_]; e; e = NULL)

/* STEM.ENDING, in one of eight buffers used in turn. */
const char *named(const char *stem, const char *ending);

/* A dynamic disk of 4 MiB in blocks of 1 MiB. */
void make_base(const char *dir, const char *name);
/* base.E with 'b' in the sector at 1 MiB, and its child child.E with blocks of
 * 2 MiB. */
void make_pair(const char *dir, struct store *store, const char *e);

void write_byte(struct store *store, const char *name, uint64_t off);
char first_byte(struct store *store, const char *name, uint64_t off);
/* chain_open fails with code, and the message contains text. */
void open_fails(struct store *store, const char *name, int flags, int code,
		const char *text);

#endif
