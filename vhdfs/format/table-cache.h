/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table cache: pages of a file's tables and bitmaps in memory, by file offset.
 *
 * A page is read on first use.  The driver writes dirty pages back, in its own
 * order of writes.
 *
 * MEMORY.  Clean pages above TABLE_CACHE_SIZE bytes are evicted, least recently
 * used first, whatever the size of the tables.  The driver bounds the dirty
 * pages.
 *
 * RECOVERY.  With io/recovery.h, a dirty page lies in memory that survives a
 * crash of the process: from before its first change until it is durable, in
 * its place or in a log that is replayed before the next read.
 * table_cache_recover finds these pages after a restart.
 *
 * THREADS.  table_cache_get and table_cache_over_limit need image.lock, shared
 * or exclusive; a page stays valid until table_cache_evict or table_cache_drop.
 * All other functions, and changes of a page, need the lock exclusively, except
 * setting bits of a dirty page (bitmap.h) and where said.
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
	struct table_page *next; /* in the bucket */
	uint64_t file_off;
	uint8_t *data;
	struct recovery_page *recovery; /* holds data; null: malloc does */
	bool dirty;                     /* set by table_cache_mark_dirty only */
	bool reserved;                  /* disk space for it is reserved */
	uint64_t snapshot_gen;          /* gen of its newest snapshot */
	atomic_bool used;               /* again, or since the last eviction */
};

struct table_cache {
	struct io *io;
	size_t page_size; /* a power of two */
	uint64_t base;    /* file offset of the cache's offset 0 */
	/* Reads one page; called under load_lock.  Null: io_read_padded. */
	int (*load)(void *ctx, void *data, uint64_t file_off);
	/* Optional: reserves the disk space, besides the pages' own, that
	 * writing n_dirty pages takes; called before a page gets dirty. */
	int (*room)(void *ctx, size_t n_dirty);
	void *ctx;
	pthread_mutex_t load_lock; /* inserting into buckets */
	_Atomic(struct table_page *) *buckets;
	size_t n_buckets;
	atomic_size_t n;
	atomic_size_t limit; /* of n, for table_cache_over_limit */
	size_t n_dirty;
	/* Generation of current changes, from 1: each snapshot begins a new
	 * one (io/recovery.h). */
	uint64_t gen;
	unsigned number; /* index in image.tables */
	/* Snapshots up to this gen are in their places. */
	atomic_uint_fast64_t checkpointed;
};

/*
 * Offsets are relative to base, in bytes.  n_pages is a hint of the number of
 * pages in the file.  load and ctx may be null.  0, or -ENOMEM with a message.
 */
int table_cache_init(struct table_cache *cache, struct io *io, uint64_t base,
		     size_t page_size, uint64_t n_pages,
		     int (*load)(void *ctx, void *data, uint64_t file_off),
		     void *ctx);
void table_cache_fini(struct table_cache *cache);

/* Takes over the dirty pages of a crashed process, before any read or change;
 * number is the cache's index in image.tables.  0, or -ENOMEM with a message.
 */
int table_cache_recover(struct table_cache *cache, unsigned number);

/* The page at file_off, a multiple of page_size.  0, -ENOMEM, or what load
 * returns. */
int table_cache_get(struct table_cache *cache, uint64_t file_off,
		    struct table_page **ret);
/* The same for a page that is zeros on disk or will be: reads nothing, and
 * clears the page in memory. */
int table_cache_get_zeroed(struct table_cache *cache, uint64_t file_off,
			   struct table_page **ret);
/* The page at file_off if it is in memory, or null. */
struct table_page *table_cache_find(struct table_cache *cache,
				    uint64_t file_off);
/*
 * Called before a page is changed: marks it as dirty, and reserves its disk
 * space, so that writing it cannot fail for lack of space.  May replace
 * page->data.  After an error (-ENOSPC, -ENOMEM) the page must not be changed.
 */
int table_cache_mark_dirty(struct table_cache *cache, struct table_page *page);
/* Drops the pages in the range, dirty or not: the file no longer has tables
 * there. */
void table_cache_drop(struct table_cache *cache, uint64_t file_off,
		      uint64_t len);

/* Should the caller evict pages? */
bool table_cache_over_limit(const struct table_cache *cache);
/* Drops clean pages. */
void table_cache_evict(struct table_cache *cache);

/* Copies of dirty pages, as they were at one moment. */
struct dirty_snapshot {
	size_t n;
	size_t page_size;
	uint64_t base;
	uint64_t gen;       /* of the cache at that moment */
	uint64_t *file_off; /* ascending */
	uint8_t *data;      /* n times page_size */
};

/*
 * Copies all dirty pages and marks them as clean.  They are not evicted until
 * table_cache_checkpointed, and stay in recovery memory until
 * table_cache_logged.  0, or -ENOMEM with a message and no change.
 */
int table_cache_snapshot_dirty(struct table_cache *cache,
			       struct dirty_snapshot *ret);
/* Undoes table_cache_snapshot_dirty; the lock was held since. */
void table_cache_restore_dirty(struct table_cache *cache,
			       struct dirty_snapshot *snapshot);
/* Snapshots up to gen are durable in the log; are in their places; are both.
 * From any thread. */
void table_cache_logged(struct table_cache *cache, uint64_t gen);
void table_cache_checkpointed(struct table_cache *cache, uint64_t gen);
void table_cache_written(struct table_cache *cache, uint64_t gen);
void dirty_snapshot_fini(struct dirty_snapshot *snapshot);
/* Writes the pages to their places, adjacent ones in one write; no sync. */
int dirty_snapshot_write(const struct dirty_snapshot *snapshot, struct io *io);

#endif
