/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages: a file's tables and bitmaps in memory, by file offset, read when they
 * are first asked for and written back by the driver when its order of writes
 * says so.  Nothing is read ahead.
 *
 * MEMORY.  Pages that are as the disk has them are forgotten again, those not
 * asked for lately first, when there are more than TABLE_CACHE_SIZE bytes of
 * them: whatever a table claims, and however large it is, an image holds no
 * more, and what waits to be written, which the driver bounds.
 *
 * DEATH.  What is dirty lies in memory that outlives the process where anything
 * is kept (io/recovery.h), from before it is changed until it is known to be in
 * its place, or in a log that is replayed before anybody reads;
 * table_cache_recover finds it again.
 *
 * THREADS.  table_cache_get and table_cache_over_limit may run in many threads
 * at once, and what table_cache_get gave is good until table_cache_evict or
 * table_cache_drop; all else, and changing what a page holds, needs the image's
 * lock exclusively; but for bits of a page that is dirty, set as bits.h says.
 */
#ifndef VHDFS_FORMAT_TABLE_CACHE_H
#define VHDFS_FORMAT_TABLE_CACHE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum { TABLE_CACHE_SIZE = 4 << 20 };

struct table_page {
	struct table_page *next; /* in its bucket */
	uint64_t file_off;
	uint8_t *data;
	struct recovery_page
		*recovery; /* where data is then; null: data is malloc's */
	bool dirty;        /* set by table_cache_mark_dirty only */
	bool reserved;     /* its space in the file */
	uint64_t taken;    /* gen of the last copy that was taken of it */
	atomic_bool used;  /* more than once, or since the last eviction */
};

struct table_cache {
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
	_Atomic(struct table_page *) *buckets;
	size_t n_buckets;
	atomic_size_t n;
	atomic_size_t limit; /* more than that are a crowd */
	size_t n_dirty;
	/* Of what is changed now, 1 at first: see io/recovery.h. */
	uint64_t gen;
	unsigned number; /* among the image's tables */
	/* Copies up to this gen are in their places. */
	atomic_uint_fast64_t checkpointed;
};

/*
 * Offsets are counted from base.  n_pages is how many there can be: a hint.
 * 0 or -ENOMEM with words.
 */
int table_cache_init(struct table_cache *cache, struct io *io, uint64_t base,
		     size_t page_size, uint64_t n_pages,
		     int (*load)(void *ctx, void *data, uint64_t file_off),
		     void *ctx);
void table_cache_fini(struct table_cache *cache);

/* Takes the dirty pages of a process that died over, before anything is read or
 * changed; number is this table's among the image's. 0 or -ENOMEM with words.
 */
int table_cache_recover(struct table_cache *cache, unsigned number);

/* The page at file_off, a multiple of page_size. */
int table_cache_get(struct table_cache *cache, uint64_t file_off,
		    struct table_page **ret);
/* As table_cache_get for a page that is known to be zeros on disk, or to become
 * so: reads nothing, and clears what was held. */
int table_cache_get_zeroed(struct table_cache *cache, uint64_t file_off,
			   struct table_page **ret);
/* The page at file_off if it is in memory, else null. */
struct table_page *table_cache_find(struct table_cache *cache,
				    uint64_t file_off);
/*
 * Before a page is changed: from now on it waits to be written, and its space
 * in the file is reserved, so that writing it cannot fail for lack of room.
 * page->data may be elsewhere after.  -ENOSPC or -ENOMEM with words: it must
 * not be changed.
 */
int table_cache_mark_dirty(struct table_cache *cache, struct table_page *page);
/* Forgets the pages in the range, dirty or not: the file no longer holds
 * tables there. */
void table_cache_drop(struct table_cache *cache, uint64_t file_off,
		      uint64_t len);

/* Are there so many that some should be forgotten? */
bool table_cache_over_limit(const struct table_cache *cache);
/* Forgets what the disk has as well. */
void table_cache_evict(struct table_cache *cache);

/* Copies of pages as they were at one moment. */
struct dirty_snapshot {
	size_t n;
	size_t page_size;
	uint64_t base;
	uint64_t gen;       /* of what was changed then */
	uint64_t *file_off; /* ascending */
	uint8_t *data;      /* n times page_size */
};

/*
 * Copies all dirty pages and takes their marks off.  Until
 * table_cache_checkpointed says that the copies are in their places, the pages
 * stay in memory, and until table_cache_logged says that they are found again,
 * they are kept.  -ENOMEM: nothing was done.
 */
int table_cache_snapshot_dirty(struct table_cache *cache,
			       struct dirty_snapshot *ret);
/* Undoes table_cache_snapshot_dirty, under the same lock. */
void table_cache_restore_dirty(struct table_cache *cache,
			       struct dirty_snapshot *snapshot);
/* What was taken up to gen; from any thread. table_cache_written is both. */
void table_cache_logged(struct table_cache *cache, uint64_t gen);
void table_cache_checkpointed(struct table_cache *cache, uint64_t gen);
void table_cache_written(struct table_cache *cache, uint64_t gen);
void dirty_snapshot_fini(struct dirty_snapshot *snapshot);
/* Writes them where they belong, neighbours in one write. */
int dirty_snapshot_write(const struct dirty_snapshot *snapshot, struct io *io);

#endif
