/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recovery memory: table pages.
 *
 * The pages of each size form a pool.  A slot is free if its description names
 * no file; the list of free slots is each process's own and is rebuilt at a
 * takeover.
 */
#include "config.h"

#include "io/recovery-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/bytes.h"

/* With the pool's lock, or before other threads start. */
static void put_free(struct page_pool *pool, size_t index)
{
	if (pool->n_free == pool->free_size) {
		size_t size = pool->free_size ? 2 * pool->free_size : 256;
		uint32_t *more = reallocarray(pool->free, size, sizeof *more);

		/* Out of memory: this process does not use the slot again. */
		if (!more)
			return;
		pool->free = more;
		pool->free_size = size;
	}
	pool->free[pool->n_free++] = (uint32_t)index;
}

static bool is_dirty(const struct recovery_page *page,
		     const struct recovery_file *file)
{
	return atomic_load(&page->gen) >
	       atomic_load(&file->durable[page->table]);
}

/* Is the page one that a successor must write? */
static bool is_needed(const struct recovery_page *page)
{
	unsigned file = atomic_load(&page->file);

	return file && recovery.unclaimed[file - 1] &&
	       is_dirty(page, &recovery.files[file - 1]);
}

void recovery_pool_find_free(struct page_pool *pool, size_t used)
{
	pool->reserved = round_up(used, POOL_STEP);
	pool->n_free = 0;
	for (size_t i = 0; i < used; i++) {
		if (is_needed(&pool->pages[i]))
			continue;
		atomic_store(&pool->pages[i].file, 0);
		put_free(pool, i);
	}
}

static struct page_pool *pool_of(size_t size)
{
	for (int i = 0; i < POOLS; i++)
		if (recovery_pool_page_size[i] == size)
			return &recovery.pools[i];
	return NULL;
}

static int reserve(const void *at, size_t len)
{
	off_t off = (const uint8_t *)at - recovery.base;

	return fallocate(recovery.fd, 0, off, (off_t)len) < 0 ? -ENOMEM : 0;
}

/* Takes a slot that was never used.  With the pool's lock. */
static int take_new(struct page_pool *pool, size_t size, size_t *ret)
{
	atomic_size_t *used = &recovery.head->pool_used[pool - recovery.pools];
	size_t index = atomic_load(used);
	int r = 0;

	if (index == POOL_PAGES_MAX)
		return -ENOMEM;
	if (index >= pool->reserved) {
		r = reserve(&pool->pages[index],
			    POOL_STEP * sizeof *pool->pages);
		if (r == 0)
			r = reserve(pool->data + index * size,
				    POOL_STEP * size);
		if (r < 0)
			return r;
		pool->reserved = index + POOL_STEP;
	}
	atomic_store(used, index + 1);
	*ret = index;
	return 0;
}

int recovery_page_alloc(size_t size, struct recovery_page **ret,
			uint8_t **ret_data)
{
	struct page_pool *pool = pool_of(size);
	size_t index = 0;
	int r = 0;

	if (!pool)
		return -ENOMEM;
	pthread_mutex_lock(&pool->lock);
	if (pool->n_free)
		index = pool->free[--pool->n_free];
	else
		r = take_new(pool, size, &index);
	pthread_mutex_unlock(&pool->lock);
	if (r < 0)
		return r;
	*ret = &pool->pages[index];
	*ret_data = pool->data + index * size;
	return 0;
}

void recovery_page_publish(struct recovery_page *page,
			   const struct recovery_file *file, unsigned table,
			   uint64_t file_off, uint64_t gen)
{
	page->table = table;
	page->file_off = file_off;
	atomic_store(&page->gen, gen);
	atomic_store(&page->file, recovery_file_index(file) + 1);
}

void recovery_page_free(struct recovery_page *page, size_t size)
{
	struct page_pool *pool = pool_of(size);

	atomic_store(&page->file, 0);
	pthread_mutex_lock(&pool->lock);
	put_free(pool, (size_t)(page - pool->pages));
	pthread_mutex_unlock(&pool->lock);
}

void recovery_set_durable(struct recovery_file *file, unsigned table,
			  uint64_t gen)
{
	atomic_store(&file->durable[table], gen);
}

uint64_t recovery_file_durable(const struct recovery_file *file, unsigned table)
{
	return atomic_load(&file->durable[table]);
}

int recovery_each_page(struct recovery_file *file, unsigned table, size_t size,
		       int (*each)(void *ctx, struct recovery_page *page,
				   uint8_t *data),
		       void *ctx)
{
	struct page_pool *pool = pool_of(size);
	size_t used;
	int r = 0;

	if (!pool || !recovery.claimed[recovery_file_index(file)])
		return 0;
	used = atomic_load(&recovery.head->pool_used[pool - recovery.pools]);
	for (size_t i = 0; i < used && r == 0; i++) {
		struct recovery_page *page = &pool->pages[i];

		if (atomic_load(&page->file) != recovery_file_index(file) + 1 ||
		    page->table != table)
			continue;
		if (is_dirty(page, file))
			r = each(ctx, page, pool->data + i * size);
		else
			recovery_page_free(page, size);
	}
	return r;
}

bool recovery_has_pages(const struct recovery_file *file)
{
	for (int i = 0; i < POOLS; i++) {
		struct page_pool *pool = &recovery.pools[i];
		size_t used = atomic_load(&recovery.head->pool_used[i]);

		for (size_t k = 0; k < used; k++)
			if (atomic_load(&pool->pages[k].file) ==
				    recovery_file_index(file) + 1 &&
			    is_dirty(&pool->pages[k], file))
				return true;
	}
	return false;
}

void recovery_free_pages(const struct recovery_file *file)
{
	for (int i = 0; i < POOLS; i++) {
		struct page_pool *pool = &recovery.pools[i];
		size_t used = atomic_load(&recovery.head->pool_used[i]);

		for (size_t k = 0; k < used; k++)
			if (atomic_load(&pool->pages[k].file) ==
			    recovery_file_index(file) + 1)
				recovery_page_free(&pool->pages[k],
						   recovery_pool_page_size[i]);
	}
}
