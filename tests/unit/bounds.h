/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much memory and time an image may cost, whatever its tables claim: what
 * test-bounds-vhd.c and test-bounds-vhdx.c share.  The file computes its table
 * when it is read, so all memory that is counted is the library's.
 */
#ifndef VHDFS_TESTS_BOUNDS_H
#define VHDFS_TESTS_BOUNDS_H

#include "unit/unit.h"

#include "base/bytes.h"
#include "format/image.h"
#include "unit/sparse.h"

/* An open and a few reads; the pages of tables that are kept; the ranges that
 * say what is free, before the first allocation; the index of a log. */
#define MEMORY_OPEN MIB(2)
#define MEMORY_PAGES MIB(6)
#define MEMORY_WRITE MIB(72)
#define MEMORY_LOG MIB(20)

/* The file, and a table for those that want one. */
extern struct sparse bounds_file;
extern struct sparse_table bounds_table;

/* What is done between the two holds at most so much memory at a time, and
 * takes at most so many milliseconds of the processor; or the test fails. */
void bounds_begin(void);
void bounds_within(const char *what, uint64_t memory, uint64_t ms);

struct image *bounds_open(bool writable);
/* As a chain maps: tables are let go of when the lock is. */
int bounds_map(struct image *img, uint64_t off, uint64_t len,
	       struct extent *ret);
/* Maps len bytes from the start of the disk, extent by extent. */
void bounds_map_much(struct image *img, uint64_t len);
/* Maps a hundred sectors. */
void bounds_map_some(struct image *img);
/*
 * The first write that needs a place, into the last block.  Whether there is
 * one in such an image, or it takes none, is not said here: but that it costs
 * no more, and that the disk can still be read.
 */
void bounds_write_last(uint64_t ms);
void bounds_check(uint64_t ms);

#endif
