/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages: a file's tables and bitmaps in memory, by file offset, read when they
 * are first asked for and written back by the driver when its order of writes
 * says so.  Nothing is read ahead and nothing is dropped by itself: memory is
 * bounded by what the file really holds of tables that were used.
 *
 * THREADS.  pages_get may run in many threads at once.  All else, and changing
 * what a page holds, needs the image's lock exclusively.
 */
#ifndef VHDFS_FORMAT_PAGES_H
#define VHDFS_FORMAT_PAGES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

struct page {
	struct page *next; /* in its bucket */
	uint64_t file_off;
	bool dirty; /* set by pages_dirty only */
	uint8_t data[];
};

struct pages {
	struct io *io;
	size_t page_size; /* a power of two */
	/* Reads one page; called under load_lock. Null: io_read_padded. */
	int (*load)(void *ctx, void *data, uint64_t file_off);
	void *ctx;
	pthread_mutex_t load_lock; /* inserting into buckets */
	_Atomic(struct page *) *buckets;
	size_t n_buckets;
	size_t n_dirty;
};

/* n_pages is how many there can be: a hint. 0 or -ENOMEM with words. */
int pages_init(struct pages *pages, struct io *io, size_t page_size,
	       uint64_t n_pages,
	       int (*load)(void *ctx, void *data, uint64_t file_off),
	       void *ctx);
void pages_fini(struct pages *pages);

/* The page at file_off, a multiple of page_size counted from the file's start
 * (or from wherever the caller always counts). Good until pages_drop. */
int pages_get(struct pages *pages, uint64_t file_off, struct page **ret);
/* As pages_get for a page that is known to be zeros on disk, or to become so:
 * reads nothing, and clears what was held. */
int pages_get_zeroed(struct pages *pages, uint64_t file_off, struct page **ret);
/* The page at file_off if it is in memory, else null. */
struct page *pages_find(struct pages *pages, uint64_t file_off);
void pages_dirty(struct pages *pages, struct page *page);
/* Forgets the pages in the range, dirty or not: the file no longer holds
 * tables there. */
void pages_drop(struct pages *pages, uint64_t file_off, uint64_t len);

/* Copies of pages as they were at one moment. */
struct page_copies {
	size_t n;
	size_t page_size;
	uint64_t *file_off; /* ascending */
	uint8_t *data;      /* n times page_size */
};

/* Copies all dirty pages and takes their marks off. -ENOMEM: nothing was. */
int pages_take_dirty(struct pages *pages, struct page_copies *ret);
void page_copies_fini(struct page_copies *copies);
/* Writes them where they belong, neighbours in one write. */
int page_copies_write(const struct page_copies *copies, struct io *io);

#endif
