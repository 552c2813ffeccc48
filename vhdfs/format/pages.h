/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages: a file's tables and bitmaps in memory, by file offset, read when they
 * are first asked for and written back by the driver when its order of writes
 * says so.  Nothing is read ahead.
 *
 * MEMORY.  Pages that are as the disk has them are forgotten again, those not
 * asked for lately first, when there are more than PAGES_KEPT bytes of them:
 * whatever a table claims, and however large it is, an image holds no more,
 * and what waits to be written, which the driver bounds.
 *
 * DEATH.  What is dirty lies in memory that outlives the process where anything
 * is kept (io/keep.h), from before it is changed until it is known to be in its
 * place, or in a log that is replayed before anybody reads; pages_adopt finds
 * it again.
 *
 * THREADS.  pages_get and pages_crowded may run in many threads at once, and
 * what pages_get gave is good until pages_evict or pages_drop; all else, and
 * changing what a page holds, needs the image's lock exclusively; but for bits
 * of a page that is dirty, set as bits.h says.
 */
#ifndef VHDFS_FORMAT_PAGES_H
#define VHDFS_FORMAT_PAGES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum { PAGES_KEPT = 4 << 20 };

struct page {
	struct page *next; /* in its bucket */
	uint64_t file_off;
	uint8_t *data;
	struct keep_page *kept; /* where data is then; null: data is malloc's */
	bool dirty;             /* set by pages_change only */
	bool reserved;          /* its space in the file */
	uint64_t taken;         /* gen of the last copy that was taken of it */
	atomic_bool used;       /* more than once, or since the last eviction */
};

struct pages {
	struct io *io;
	size_t page_size; /* a power of two */
	uint64_t base;    /* where offset 0 is in the file */
	/* Reads one page; called under load_lock. Null: io_read_padded. */
	int (*load)(void *ctx, void *data, uint64_t file_off);
	/* Called before there are n_dirty pages that wait to be written: is
	 * there room for what writing them takes?  Null: nobody asks. */
	int (*room)(void *ctx, size_t n_dirty);
	void *ctx;
	pthread_mutex_t load_lock; /* inserting into buckets */
	_Atomic(struct page *) *buckets;
	size_t n_buckets;
	atomic_size_t n;
	atomic_size_t limit; /* more than that are a crowd */
	size_t n_dirty;
	/* Of what is changed now, 1 at first: see io/keep.h. */
	uint64_t gen;
	unsigned number; /* among the image's tables */
	/* Copies up to this gen are in their places. */
	atomic_uint_fast64_t placed;
};

/*
 * Offsets are counted from base.  n_pages is how many there can be: a hint.
 * 0 or -ENOMEM with words.
 */
int pages_init(struct pages *pages, struct io *io, uint64_t base,
	       size_t page_size, uint64_t n_pages,
	       int (*load)(void *ctx, void *data, uint64_t file_off),
	       void *ctx);
void pages_fini(struct pages *pages);

/* Takes the dirty pages of a process that died over, before anything is read or
 * changed; number is this table's among the image's. 0 or -ENOMEM with words.
 */
int pages_adopt(struct pages *pages, unsigned number);

/* The page at file_off, a multiple of page_size. */
int pages_get(struct pages *pages, uint64_t file_off, struct page **ret);
/* As pages_get for a page that is known to be zeros on disk, or to become so:
 * reads nothing, and clears what was held. */
int pages_get_zeroed(struct pages *pages, uint64_t file_off, struct page **ret);
/* The page at file_off if it is in memory, else null. */
struct page *pages_find(struct pages *pages, uint64_t file_off);
/*
 * Before a page is changed: from now on it waits to be written, and its space
 * in the file is reserved, so that writing it cannot fail for lack of room.
 * page->data may be elsewhere after.  -ENOSPC or -ENOMEM with words: it must
 * not be changed.
 */
int pages_change(struct pages *pages, struct page *page);
/* Forgets the pages in the range, dirty or not: the file no longer holds
 * tables there. */
void pages_drop(struct pages *pages, uint64_t file_off, uint64_t len);

/* Are there so many that some should be forgotten? */
bool pages_crowded(const struct pages *pages);
/* Forgets what the disk has as well. */
void pages_evict(struct pages *pages);

/* Copies of pages as they were at one moment. */
struct page_copies {
	size_t n;
	size_t page_size;
	uint64_t base;
	uint64_t gen;       /* of what was changed then */
	uint64_t *file_off; /* ascending */
	uint8_t *data;      /* n times page_size */
};

/*
 * Copies all dirty pages and takes their marks off.  Until pages_placed says
 * that the copies are in their places, the pages stay in memory, and until
 * pages_durable says that they are found again, they are kept.  -ENOMEM:
 * nothing was done.
 */
int pages_take_dirty(struct pages *pages, struct page_copies *ret);
/* Undoes pages_take_dirty, under the same lock. */
void pages_put_back(struct pages *pages, struct page_copies *copies);
/* What was taken up to gen; from any thread. pages_written is both. */
void pages_durable(struct pages *pages, uint64_t gen);
void pages_placed(struct pages *pages, uint64_t gen);
void pages_written(struct pages *pages, uint64_t gen);
void page_copies_fini(struct page_copies *copies);
/* Writes them where they belong, neighbours in one write. */
int page_copies_write(const struct page_copies *copies, struct io *io);

#endif
