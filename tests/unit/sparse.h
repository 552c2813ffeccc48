/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file that may claim any size and holds little: what a hostile image is
 * read from, without a byte of the heap, so that all memory that is counted is
 * the library's.  Beyond its room a write answers -ENOSPC; offsets that no
 * file has answer what the kernel answers.
 */
#ifndef VHDFS_TESTS_SPARSE_H
#define VHDFS_TESTS_SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum { SPARSE_PAGE = 4096, SPARSE_ROOM = 2048, SPARSE_SLOTS = 4096 };

/* Pages of a range that nobody wrote are not holes but what page makes. */
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
		bool there;      /* else a hole */
		uint8_t data[SPARSE_PAGE];
	} pages[SPARSE_ROOM];
	unsigned n_pages;
	unsigned n_writes; /* calls that change anything */
};

/* An empty file, without a table. */
void sparse_reset(struct sparse *file);
/* Makes to the same as from; the counter begins at 0. */
void sparse_copy(struct sparse *to, const struct sparse *from);
/* Without counting: zeros past the end. */
void sparse_peek(const struct sparse *file, void *buf, size_t len,
		 uint64_t off);
/* The file grows where it must; what there is no room for is lost. */
void sparse_poke(struct sparse *file, const void *buf, size_t len,
		 uint64_t off);
void sparse_resize(struct sparse *file, uint64_t size);

/* As rootdir_mem_open wants it: file is a struct sparse. */
int sparse_open(void *file, const char *name, bool writable, struct io **ret);

#endif
