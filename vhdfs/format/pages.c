/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table whose buckets only ever grow at their head while readers walk
 * them: a reader needs no lock, one that has to load a page takes load_lock,
 * looks again, and publishes the page when it is complete.  Pages go only while
 * nobody reads (THREADS).
 */
#include "config.h"

#include "format/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "io/keep.h"

/* Lists of about so many pages are searched. */
enum { PAGES_PER_BUCKET = 4, BUCKETS_MIN = 64 };

static size_t bucket_count(size_t page_size, uint64_t n_pages)
{
	uint64_t most = min_u64(n_pages, PAGES_KEPT / page_size);
	size_t n = BUCKETS_MIN;

	while (n * PAGES_PER_BUCKET < most)
		n *= 2;
	return n;
}

static void free_page(struct pages *pages, struct page *page)
{
	if (page->kept)
		keep_page_give(page->kept, pages->page_size);
	else
		free(page->data);
	free(page);
}

static size_t most_pages(const struct pages *pages)
{
	return PAGES_KEPT / pages->page_size;
}

int pages_init(struct pages *pages, struct io *io, uint64_t base,
	       size_t page_size, uint64_t n_pages,
	       int (*load)(void *ctx, void *data, uint64_t file_off), void *ctx)
{
	memset(pages, 0, sizeof *pages);
	pages->io = io;
	pages->base = base;
	pages->page_size = page_size;
	pages->load = load;
	pages->ctx = ctx;
	pages->gen = 1;
	pages->n_buckets = bucket_count(page_size, n_pages);
	atomic_init(&pages->limit, most_pages(pages));
	pages->buckets = calloc(pages->n_buckets, sizeof *pages->buckets);
	if (!pages->buckets ||
	    pthread_mutex_init(&pages->load_lock, NULL) != 0) {
		free(pages->buckets);
		pages->buckets = NULL;
		return fail(-ENOMEM, "%s: out of memory", io->name);
	}
	return 0;
}

void pages_fini(struct pages *pages)
{
	if (!pages->buckets)
		return;
	for (size_t i = 0; i < pages->n_buckets; i++) {
		struct page *page = atomic_load(&pages->buckets[i]);

		while (page) {
			struct page *next = page->next;

			free_page(pages, page);
			page = next;
		}
	}
	free(pages->buckets);
	pages->buckets = NULL;
	pthread_mutex_destroy(&pages->load_lock);
}

static _Atomic(struct page *) *bucket_of(struct pages *pages, uint64_t file_off)
{
	uint64_t number = file_off / pages->page_size;

	return &pages->buckets[(number * 0x9e3779b97f4a7c15 >> 40) %
			       pages->n_buckets];
}

static struct page *find(_Atomic(struct page *) *bucket, uint64_t file_off)
{
	struct page *page = atomic_load_explicit(bucket, memory_order_acquire);

	while (page && page->file_off != file_off)
		page = page->next;
	return page;
}

static int load(struct pages *pages, void *data, uint64_t file_off)
{
	if (pages->load)
		return pages->load(pages->ctx, data, file_off);
	return io_read_padded(pages->io, data, pages->page_size,
			      pages->base + file_off);
}

static void publish(struct pages *pages, _Atomic(struct page *) *bucket,
		    struct page *page)
{
	page->next = atomic_load_explicit(bucket, memory_order_relaxed);
	atomic_store_explicit(bucket, page, memory_order_release);
	atomic_fetch_add(&pages->n, 1);
}

/* With load_lock held, the page not there: makes and publishes it. */
static int insert(struct pages *pages, _Atomic(struct page *) *bucket,
		  uint64_t file_off, bool zeroed, struct page **ret)
{
	struct page *page = calloc(1, sizeof *page);
	int r = 0;

	if (page)
		page->data = calloc(1, pages->page_size);
	if (!page || !page->data) {
		free(page);
		return fail(-ENOMEM, "%s: out of memory", pages->io->name);
	}
	page->file_off = file_off;
	if (!zeroed)
		r = load(pages, page->data, file_off);
	if (r < 0) {
		free_page(pages, page);
		return r;
	}
	publish(pages, bucket, page);
	*ret = page;
	return 0;
}

static int get(struct pages *pages, uint64_t file_off, bool zeroed,
	       struct page **ret)
{
	_Atomic(struct page *) *bucket = bucket_of(pages, file_off);
	struct page *page = find(bucket, file_off);
	int r = 0;

	if (!page) {
		pthread_mutex_lock(&pages->load_lock);
		page = find(bucket, file_off);
		if (!page)
			r = insert(pages, bucket, file_off, zeroed, &page);
		pthread_mutex_unlock(&pages->load_lock);
	} else if (!atomic_load_explicit(&page->used, memory_order_relaxed)) {
		/* Not the first time: what is asked for once goes first. */
		atomic_store_explicit(&page->used, true, memory_order_relaxed);
	}
	if (r == 0)
		*ret = page;
	return r;
}

int pages_get(struct pages *pages, uint64_t file_off, struct page **ret)
{
	return get(pages, file_off, false, ret);
}

int pages_get_zeroed(struct pages *pages, uint64_t file_off, struct page **ret)
{
	int r = get(pages, file_off, true, ret);

	if (r == 0)
		memset((*ret)->data, 0, pages->page_size);
	return r;
}

struct page *pages_find(struct pages *pages, uint64_t file_off)
{
	return find(bucket_of(pages, file_off), file_off);
}

static int adopt(void *ctx, struct keep_page *kept, uint8_t *data)
{
	struct pages *pages = ctx;
	struct page *page = calloc(1, sizeof *page);

	if (!page)
		return fail(-ENOMEM, "%s: out of memory", pages->io->name);
	page->file_off = kept->file_off;
	page->data = data;
	page->kept = kept;
	page->dirty = true;
	page->reserved = true;
	pages->n_dirty++;
	pages->gen = max_u64(pages->gen, atomic_load(&kept->gen));
	publish(pages, bucket_of(pages, page->file_off), page);
	return 0;
}

int pages_adopt(struct pages *pages, unsigned number)
{
	struct keep_file *file = pages->io->kept;

	pages->number = number;
	if (!file)
		return 0;
	pages->gen = keep_file_durable(file, number) + 1;
	return keep_each_page(file, number, pages->page_size, adopt, pages);
}

/* Before it is changed: in memory that is kept. */
static int keep_it(struct pages *pages, struct page *page)
{
	struct keep_page *kept;
	uint8_t *data;

	if (page->kept) {
		atomic_store(&page->kept->gen, pages->gen);
		return 0;
	}
	if (!pages->io->kept)
		return 0;
	if (keep_page_take(pages->page_size, &kept, &data) < 0)
		return fail(-ENOMEM, "%s: out of memory", pages->io->name);
	memcpy(data, page->data, pages->page_size);
	keep_page_publish(kept, pages->io->kept, pages->number, page->file_off,
			  pages->gen);
	free(page->data);
	page->data = data;
	page->kept = kept;
	return 0;
}

int pages_change(struct pages *pages, struct page *page)
{
	int r = 0;

	if (page->dirty)
		return 0;
	if (pages->room)
		r = pages->room(pages->ctx, pages->n_dirty + 1);
	if (r == 0 && !page->reserved)
		r = io_reserve(pages->io, pages->base + page->file_off,
			       pages->page_size);
	if (r < 0)
		return r;
	page->reserved = true;
	r = keep_it(pages, page);
	if (r < 0)
		return r;
	page->dirty = true;
	pages->n_dirty++;
	return 0;
}

static void remove_page(struct pages *pages, struct page *page)
{
	pages->n_dirty -= page->dirty;
	atomic_fetch_sub(&pages->n, 1);
	free_page(pages, page);
}

/* Takes out of a bucket what goes says. */
static void filter(struct pages *pages, _Atomic(struct page *) *bucket,
		   bool (*goes)(struct page *page, void *ctx), void *ctx)
{
	struct page *page = atomic_load(bucket), *last = NULL, *next;

	for (; page; page = next) {
		next = page->next;
		if (!goes(page, ctx)) {
			last = page;
			continue;
		}
		if (last)
			last->next = next;
		else
			atomic_store(bucket, next);
		remove_page(pages, page);
	}
}

static bool is_at(struct page *page, void *ctx)
{
	return page->file_off == *(uint64_t *)ctx;
}

void pages_drop(struct pages *pages, uint64_t file_off, uint64_t len)
{
	for (uint64_t end = file_off + len; file_off < end;
	     file_off += pages->page_size)
		filter(pages, bucket_of(pages, file_off), is_at, &file_off);
}

bool pages_crowded(const struct pages *pages)
{
	return atomic_load_explicit(&pages->n, memory_order_relaxed) >
	       atomic_load_explicit(&pages->limit, memory_order_relaxed);
}

struct eviction {
	uint64_t placed;
	bool all; /* those used lately as well */
};

static bool is_evicted(struct page *page, void *ctx)
{
	const struct eviction *e = ctx;

	if (page->dirty || page->taken > e->placed)
		return false;
	return e->all || !atomic_exchange(&page->used, false);
}

void pages_evict(struct pages *pages)
{
	struct eviction e = { .placed = atomic_load(&pages->placed) };

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < pages->n_buckets; i++)
			filter(pages, &pages->buckets[i], is_evicted, &e);
		if (atomic_load(&pages->n) <= most_pages(pages) / 2)
			break;
		e.all = true;
	}
	/* What waits to be written cannot go, and is no reason to look again
	 * and again. */
	atomic_store(&pages->limit,
		     max_u64(most_pages(pages),
			     atomic_load(&pages->n) + most_pages(pages) / 2));
}

static int by_offset(const void *a, const void *b)
{
	const struct page *const *x = a, *const *y = b;

	return ((*x)->file_off > (*y)->file_off) -
	       ((*x)->file_off < (*y)->file_off);
}

static void collect_dirty(struct pages *pages, struct page **list)
{
	size_t n = 0;

	for (size_t i = 0; i < pages->n_buckets && n < pages->n_dirty; i++)
		for (struct page *page = atomic_load(&pages->buckets[i]); page;
		     page = page->next)
			if (page->dirty)
				list[n++] = page;
	qsort(list, n, sizeof *list, by_offset);
}

int pages_take_dirty(struct pages *pages, struct page_copies *ret)
{
	size_t n = pages->n_dirty;
	_cleanup_free_ struct page **list = calloc(n + 1, sizeof *list);
	struct page_copies copies = { .n = n,
				      .page_size = pages->page_size,
				      .base = pages->base,
				      .gen = pages->gen };

	copies.file_off = calloc(n + 1, sizeof *copies.file_off);
	copies.data = malloc(n * pages->page_size + 1);
	if (!list || !copies.file_off || !copies.data) {
		page_copies_fini(&copies);
		return fail(-ENOMEM, "%s: out of memory", pages->io->name);
	}
	collect_dirty(pages, list);
	for (size_t i = 0; i < n; i++) {
		copies.file_off[i] = list[i]->file_off;
		memcpy(copies.data + i * pages->page_size, list[i]->data,
		       pages->page_size);
		list[i]->dirty = false;
		list[i]->taken = copies.gen;
	}
	pages->n_dirty = 0;
	pages->gen++;
	*ret = copies;
	return 0;
}

void pages_put_back(struct pages *pages, struct page_copies *copies)
{
	for (size_t i = 0; i < copies->n; i++) {
		struct page *page = pages_find(pages, copies->file_off[i]);

		page->dirty = true;
		pages->n_dirty++;
	}
	page_copies_fini(copies);
}

void pages_durable(struct pages *pages, uint64_t gen)
{
	if (pages->io->kept)
		keep_durable(pages->io->kept, pages->number, gen);
}

void pages_placed(struct pages *pages, uint64_t gen)
{
	atomic_store(&pages->placed, gen);
}

void pages_written(struct pages *pages, uint64_t gen)
{
	pages_durable(pages, gen);
	pages_placed(pages, gen);
}

void page_copies_fini(struct page_copies *copies)
{
	free(copies->file_off);
	free(copies->data);
	memset(copies, 0, sizeof *copies);
}

int page_copies_write(const struct page_copies *copies, struct io *io)
{
	size_t size = copies->page_size, run;

	for (size_t i = 0; i < copies->n; i += run) {
		int r;

		for (run = 1; i + run < copies->n; run++)
			if (copies->file_off[i + run] !=
			    copies->file_off[i] + run * size)
				break;
		r = io_write(io, copies->data + i * size, run * size,
			     copies->base + copies->file_off[i]);
		if (r < 0)
			return r;
	}
	return 0;
}
