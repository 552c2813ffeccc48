/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table cache: a hash table whose buckets grow only at their head while other
 * threads read them.  A reader needs no lock.  A thread that loads a page takes
 * load_lock, searches again, and publishes the complete page.  Pages are
 * removed only under the image's exclusive lock.
 */
#include "config.h"

#include "format/table-cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "io/recovery.h"

/* Length of a bucket's list, about; number of buckets. */
enum { PAGES_PER_BUCKET = 4, BUCKETS_MIN = 64 };

static size_t bucket_count(size_t page_size, uint64_t n_pages)
{
	uint64_t most = min_u64(n_pages, TABLE_CACHE_SIZE / page_size);
	size_t n = BUCKETS_MIN;

	while (n * PAGES_PER_BUCKET < most)
		n *= 2;
	return n;
}

static void free_page(struct table_cache *cache, struct table_page *page)
{
	if (page->recovery)
		recovery_page_free(page->recovery, cache->page_size);
	else
		free(page->data);
	free(page);
}

static size_t max_clean_pages(const struct table_cache *cache)
{
	return TABLE_CACHE_SIZE / cache->page_size;
}

int table_cache_init(struct table_cache *cache, struct io *io, uint64_t base,
		     size_t page_size, uint64_t n_pages,
		     int (*load)(void *ctx, void *data, uint64_t file_off),
		     void *ctx)
{
	memset(cache, 0, sizeof *cache);
	cache->io = io;
	cache->base = base;
	cache->page_size = page_size;
	cache->load = load;
	cache->ctx = ctx;
	cache->gen = 1;
	cache->n_buckets = bucket_count(page_size, n_pages);
	atomic_init(&cache->limit, max_clean_pages(cache));
	cache->buckets = calloc(cache->n_buckets, sizeof *cache->buckets);
	if (!cache->buckets ||
	    pthread_mutex_init(&cache->load_lock, NULL) != 0) {
		free(cache->buckets);
		cache->buckets = NULL;
		return fail(-ENOMEM, "%s: out of memory", io->name);
	}
	return 0;
}

void table_cache_fini(struct table_cache *cache)
{
	if (!cache->buckets)
		return;
	for (size_t i = 0; i < cache->n_buckets; i++) {
		struct table_page *page = atomic_load(&cache->buckets[i]);

		while (page) {
			struct table_page *next = page->next;

			free_page(cache, page);
			page = next;
		}
	}
	free(cache->buckets);
	cache->buckets = NULL;
	pthread_mutex_destroy(&cache->load_lock);
}

static _Atomic(struct table_page *) *bucket_of(struct table_cache *cache,
					       uint64_t file_off)
{
	uint64_t number = file_off / cache->page_size;

	return &cache->buckets[(number * 0x9e3779b97f4a7c15 >> 40) %
			       cache->n_buckets];
}

static struct table_page *find(_Atomic(struct table_page *) *bucket,
			       uint64_t file_off)
{
	struct table_page *page =
		atomic_load_explicit(bucket, memory_order_acquire);

	while (page && page->file_off != file_off)
		page = page->next;
	return page;
}

static int load(struct table_cache *cache, void *data, uint64_t file_off)
{
	if (cache->load)
		return cache->load(cache->ctx, data, file_off);
	return io_read_padded(cache->io, data, cache->page_size,
			      cache->base + file_off);
}

static void publish(struct table_cache *cache,
		    _Atomic(struct table_page *) *bucket,
		    struct table_page *page)
{
	page->next = atomic_load_explicit(bucket, memory_order_relaxed);
	atomic_store_explicit(bucket, page, memory_order_release);
	atomic_fetch_add(&cache->n, 1);
}

/* Loads and publishes a page that is not in memory; load_lock is held. */
static int insert(struct table_cache *cache,
		  _Atomic(struct table_page *) *bucket, uint64_t file_off,
		  bool zeroed, struct table_page **ret)
{
	struct table_page *page = calloc(1, sizeof *page);
	int r = 0;

	if (page)
		page->data = calloc(1, cache->page_size);
	if (!page || !page->data) {
		free(page);
		return fail(-ENOMEM, "%s: out of memory", cache->io->name);
	}
	page->file_off = file_off;
	if (!zeroed)
		r = load(cache, page->data, file_off);
	if (r < 0) {
		free_page(cache, page);
		return r;
	}
	publish(cache, bucket, page);
	*ret = page;
	return 0;
}

static int get(struct table_cache *cache, uint64_t file_off, bool zeroed,
	       struct table_page **ret)
{
	_Atomic(struct table_page *) *bucket = bucket_of(cache, file_off);
	struct table_page *page = find(bucket, file_off);
	int r = 0;

	if (!page) {
		pthread_mutex_lock(&cache->load_lock);
		page = find(bucket, file_off);
		if (!page)
			r = insert(cache, bucket, file_off, zeroed, &page);
		pthread_mutex_unlock(&cache->load_lock);
	} else if (!atomic_load_explicit(&page->used, memory_order_relaxed)) {
		/* Set from the second use on: pages used once are evicted
		 * first. */
		atomic_store_explicit(&page->used, true, memory_order_relaxed);
	}
	if (r == 0)
		*ret = page;
	return r;
}

int table_cache_get(struct table_cache *cache, uint64_t file_off,
		    struct table_page **ret)
{
	return get(cache, file_off, false, ret);
}

int table_cache_get_zeroed(struct table_cache *cache, uint64_t file_off,
			   struct table_page **ret)
{
	int r = get(cache, file_off, true, ret);

	if (r == 0)
		memset((*ret)->data, 0, cache->page_size);
	return r;
}

struct table_page *table_cache_find(struct table_cache *cache,
				    uint64_t file_off)
{
	return find(bucket_of(cache, file_off), file_off);
}

static int recover_page(void *ctx, struct recovery_page *recovery,
			uint8_t *data)
{
	struct table_cache *cache = ctx;
	struct table_page *page = calloc(1, sizeof *page);

	if (!page)
		return fail(-ENOMEM, "%s: out of memory", cache->io->name);
	page->file_off = recovery->file_off;
	page->data = data;
	page->recovery = recovery;
	page->dirty = true;
	page->reserved = true;
	cache->n_dirty++;
	cache->gen = max_u64(cache->gen, atomic_load(&recovery->gen));
	publish(cache, bucket_of(cache, page->file_off), page);
	return 0;
}

int table_cache_recover(struct table_cache *cache, unsigned number)
{
	struct recovery_file *file = cache->io->recovery;

	cache->number = number;
	if (!file)
		return 0;
	cache->gen = recovery_file_durable(file, number) + 1;
	return recovery_each_page(file, number, cache->page_size, recover_page,
				  cache);
}

/* Moves the page's data to recovery memory, or updates its generation. */
static int move_to_recovery(struct table_cache *cache, struct table_page *page)
{
	struct recovery_page *recovery;
	uint8_t *data;

	if (page->recovery) {
		atomic_store(&page->recovery->gen, cache->gen);
		return 0;
	}
	if (!cache->io->recovery)
		return 0;
	if (recovery_page_alloc(cache->page_size, &recovery, &data) < 0)
		return fail(-ENOMEM, "%s: out of memory", cache->io->name);
	memcpy(data, page->data, cache->page_size);
	recovery_page_publish(recovery, cache->io->recovery, cache->number,
			      page->file_off, cache->gen);
	free(page->data);
	page->data = data;
	page->recovery = recovery;
	return 0;
}

int table_cache_mark_dirty(struct table_cache *cache, struct table_page *page)
{
	int r = 0;

	if (page->dirty)
		return 0;
	if (cache->room)
		r = cache->room(cache->ctx, cache->n_dirty + 1);
	if (r == 0 && !page->reserved)
		r = io_reserve(cache->io, cache->base + page->file_off,
			       cache->page_size);
	if (r < 0)
		return r;
	page->reserved = true;
	r = move_to_recovery(cache, page);
	if (r < 0)
		return r;
	page->dirty = true;
	cache->n_dirty++;
	return 0;
}

static void remove_page(struct table_cache *cache, struct table_page *page)
{
	cache->n_dirty -= page->dirty;
	atomic_fetch_sub(&cache->n, 1);
	free_page(cache, page);
}

/* Removes the pages of a bucket for which is_removed is true. */
static void filter(struct table_cache *cache,
		   _Atomic(struct table_page *) *bucket,
		   bool (*is_removed)(struct table_page *page, void *ctx),
		   void *ctx)
{
	struct table_page *page = atomic_load(bucket), *last = NULL, *next;

	for (; page; page = next) {
		next = page->next;
		if (!is_removed(page, ctx)) {
			last = page;
			continue;
		}
		if (last)
			last->next = next;
		else
			atomic_store(bucket, next);
		remove_page(cache, page);
	}
}

static bool is_at(struct table_page *page, void *ctx)
{
	return page->file_off == *(uint64_t *)ctx;
}

void table_cache_drop(struct table_cache *cache, uint64_t file_off,
		      uint64_t len)
{
	for (uint64_t end = file_off + len; file_off < end;
	     file_off += cache->page_size)
		filter(cache, bucket_of(cache, file_off), is_at, &file_off);
}

bool table_cache_over_limit(const struct table_cache *cache)
{
	return atomic_load_explicit(&cache->n, memory_order_relaxed) >
	       atomic_load_explicit(&cache->limit, memory_order_relaxed);
}

struct eviction {
	uint64_t checkpointed;
	bool all; /* also recently used pages */
};

static bool is_evicted(struct table_page *page, void *ctx)
{
	const struct eviction *e = ctx;

	if (page->dirty || page->snapshot_gen > e->checkpointed)
		return false;
	return e->all || !atomic_exchange(&page->used, false);
}

void table_cache_evict(struct table_cache *cache)
{
	struct eviction e = { .checkpointed =
				      atomic_load(&cache->checkpointed) };

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < cache->n_buckets; i++)
			filter(cache, &cache->buckets[i], is_evicted, &e);
		if (atomic_load(&cache->n) <= max_clean_pages(cache) / 2)
			break;
		e.all = true;
	}
	/* Dirty pages cannot be evicted: a higher limit avoids useless passes.
	 */
	atomic_store(
		&cache->limit,
		max_u64(max_clean_pages(cache),
			atomic_load(&cache->n) + max_clean_pages(cache) / 2));
}

static int by_offset(const void *a, const void *b)
{
	const struct table_page *const *x = a, *const *y = b;

	return ((*x)->file_off > (*y)->file_off) -
	       ((*x)->file_off < (*y)->file_off);
}

static void collect_dirty(struct table_cache *cache, struct table_page **list)
{
	size_t n = 0;

	for (size_t i = 0; i < cache->n_buckets && n < cache->n_dirty; i++)
		for (struct table_page *page = atomic_load(&cache->buckets[i]);
		     page; page = page->next)
			if (page->dirty)
				list[n++] = page;
	qsort(list, n, sizeof *list, by_offset);
}

int table_cache_snapshot_dirty(struct table_cache *cache,
			       struct dirty_snapshot *ret)
{
	size_t n = cache->n_dirty;
	_cleanup_free_ struct table_page **list = calloc(n + 1, sizeof *list);
	struct dirty_snapshot snapshot = { .n = n,
					   .page_size = cache->page_size,
					   .base = cache->base,
					   .gen = cache->gen };

	snapshot.file_off = calloc(n + 1, sizeof *snapshot.file_off);
	snapshot.data = malloc(n * cache->page_size + 1);
	if (!list || !snapshot.file_off || !snapshot.data) {
		dirty_snapshot_fini(&snapshot);
		return fail(-ENOMEM, "%s: out of memory", cache->io->name);
	}
	collect_dirty(cache, list);
	for (size_t i = 0; i < n; i++) {
		snapshot.file_off[i] = list[i]->file_off;
		memcpy(snapshot.data + i * cache->page_size, list[i]->data,
		       cache->page_size);
		list[i]->dirty = false;
		list[i]->snapshot_gen = snapshot.gen;
	}
	cache->n_dirty = 0;
	cache->gen++;
	*ret = snapshot;
	return 0;
}

void table_cache_restore_dirty(struct table_cache *cache,
			       struct dirty_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->n; i++) {
		struct table_page *page =
			table_cache_find(cache, snapshot->file_off[i]);

		page->dirty = true;
		cache->n_dirty++;
	}
	dirty_snapshot_fini(snapshot);
}

void table_cache_logged(struct table_cache *cache, uint64_t gen)
{
	if (cache->io->recovery)
		recovery_set_durable(cache->io->recovery, cache->number, gen);
}

void table_cache_checkpointed(struct table_cache *cache, uint64_t gen)
{
	atomic_store(&cache->checkpointed, gen);
}

void table_cache_written(struct table_cache *cache, uint64_t gen)
{
	table_cache_logged(cache, gen);
	table_cache_checkpointed(cache, gen);
}

void dirty_snapshot_fini(struct dirty_snapshot *snapshot)
{
	free(snapshot->file_off);
	free(snapshot->data);
	memset(snapshot, 0, sizeof *snapshot);
}

int dirty_snapshot_write(const struct dirty_snapshot *snapshot, struct io *io)
{
	size_t size = snapshot->page_size, run;

	for (size_t i = 0; i < snapshot->n; i += run) {
		int r;

		for (run = 1; i + run < snapshot->n; run++)
			if (snapshot->file_off[i + run] !=
			    snapshot->file_off[i] + run * size)
				break;
		r = io_write(io, snapshot->data + i * size, run * size,
			     snapshot->base + snapshot->file_off[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
