/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits of memory and time for images with any tables: functions that
 * test-bounds-vhd.c and test-bounds-vhdx.c share.  The file computes its table
 * when it is read, so all memory that is counted is the library's.
 */
#ifndef VHDFS_TESTS_BOUNDS_H
#define VHDFS_TESTS_BOUNDS_H

#include "unit/unit.h"

#include "base/bytes.h"
#include "format/image.h"
#include "unit/sparse.h"

/* An open and a few reads; the cached pages of tables; the extents of free
 * space, before the first allocation; the index of a log. */
#define MEMORY_OPEN MIB(2)
#define MEMORY_PAGES MIB(6)
#define MEMORY_WRITE MIB(72)
#define MEMORY_LOG MIB(20)

/* The file; a test may give it a computed table. */
extern struct sparse bounds_file;
extern struct sparse_table bounds_table;

/* Fails the test if the code between the two uses more than this memory at any
 * time, or more than this processor time. */
void bounds_begin(void);
void bounds_within(const char *what, uint64_t memory, uint64_t ms);

struct image *bounds_open(bool writable);
/* Maps as a chain does: releases the tables with the lock. */
int bounds_map(struct image *img, uint64_t off, uint64_t len,
	       struct extent *ret);
/* Maps len bytes from the start of the disk, extent by extent. */
void bounds_map_much(struct image *img, uint64_t len);
/* Maps a hundred sectors. */
void bounds_map_some(struct image *img);
/*
 * Writes to the last block, which allocates space.  The write may fail, or may
 * need no space in such an image; but it costs no more than the limit, and the
 * disk can still be read.
 */
void bounds_write_last(uint64_t ms);
void bounds_check(uint64_t ms);

#endif
