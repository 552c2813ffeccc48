/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sparse file in memory: any size, few pages, no heap.  A hostile image is read
 * from it, so that all memory that a test counts is the library's.  A write
 * without a free page returns -ENOSPC; invalid offsets return the kernel's
 * errors.
 */
#ifndef VHDFS_TESTS_SPARSE_H
#define VHDFS_TESTS_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum { SPARSE_PAGE = 4096, SPARSE_ROOM = 2048, SPARSE_SLOTS = 4096 };

/* A range in which unwritten pages are not holes: page generates them. */
struct sparse_table {
	uint64_t off, end; /* whole pages */
	void (*page)(uint8_t *page, uint64_t file_off);
};

struct sparse {
	uint64_t size;
	const struct sparse_table *table; /* may be null */
	uint16_t slots[SPARSE_SLOTS]; /* a hash: index in pages + 1, 0: none */
	struct {
		uint64_t number; /* of the page in the file */
		bool stored;     /* false: a hole */
		uint8_t data[SPARSE_PAGE];
	} pages[SPARSE_ROOM];
	unsigned n_pages;
	unsigned n_writes; /* calls that change the file, or sync */
};

/* An empty file, without a table. */
void sparse_reset(struct sparse *file);
/* Copies from to to, and resets the counter. */
void sparse_copy(struct sparse *to, const struct sparse *from);
/* Reads without counting; zeros beyond the end. */
void sparse_peek(const struct sparse *file, void *buf, size_t len,
		 uint64_t off);
/* Writes without counting; extends the file.  Data without a free page is
 * dropped. */
void sparse_poke(struct sparse *file, const void *buf, size_t len,
		 uint64_t off);
void sparse_resize(struct sparse *file, uint64_t size);

/* A rootdir_mem_open: file is a struct sparse. */
int sparse_open(void *file, const char *name, bool writable, struct io **ret);

#endif
