/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cached block map of the merged parents: a tree of three levels.
 *
 * Each node is a page of entries.  The root has one entry for each GiB of the
 * disk, the middle level one for each 2 MiB, the last level one for each 4 KiB.
 * A range of 2 MiB that is one extent has no page in the last level.
 *
 *   entry, by its lowest two bits
 *     UNKNOWN  (0)  not cached: map the images
 *     DATA          bits 2 to 9: index of the image; from bit 10 on: offset in
 *                   its file, in units of 512 bytes
 *     ZERO          reads as zeros
 *     PAGE          not in the last level: pointer to a page of the next
 *
 * An entry is written once, from UNKNOWN, and does not change afterwards; two
 * threads that map the same range write the same value.  A range that is not
 * uniform over 4 KiB stays UNKNOWN, and so does every new one once PAGES_MAX
 * pages are in use: such a lookup maps the images each time.
 */
#include "config.h"

#include "chain/map-cache.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/chain-map.h"

enum {
	ENTRIES = 512, /* of a page */
	FINE_SHIFT = 12,
	COARSE_SHIFT = 21,
	ROOT_SHIFT = 30,
	FINE = 1 << FINE_SHIFT,
	COARSE = 1 << COARSE_SHIFT,
	PAGES_MAX = 1024, /* 4 MiB */

	KIND_BITS = 2,
	IMAGE_BITS = 8,
	FILE_OFF_BITS = 64 - KIND_BITS - IMAGE_BITS,
	SECTOR = 512,
};

static_assert(CHAIN_DEPTH_MAX <= 1 << IMAGE_BITS,
	      "an image's number fits an entry");

enum kind {
	UNKNOWN,
	DATA,
	ZERO,
	PAGE,
};

typedef _Atomic(uint64_t) entry_t;

struct page_of_entries {
	entry_t entries[ENTRIES];
};

struct map_cache {
	uint64_t size;
	unsigned n;
	struct image **images;
	atomic_uint n_pages;
	entry_t root[];
};

static uint64_t n_roots(uint64_t size)
{
	return div_up(size, 1ULL << ROOT_SHIFT);
}

int map_cache_new(struct image *const *images, unsigned n,
		  struct map_cache **ret)
{
	uint64_t size = images[0]->size;
	struct map_cache *map =
		calloc(1, sizeof *map + n_roots(size) * sizeof map->root[0]);

	if (map)
		map->images = calloc(n, sizeof(struct image *));
	if (!map || !map->images) {
		free(map);
		return fail(-ENOMEM, "%s: out of memory", images[0]->io->name);
	}
	memcpy(map->images, images, n * sizeof(struct image *));
	map->n = n;
	map->size = size;
	*ret = map;
	return 0;
}

static enum kind kind_of(uint64_t entry)
{
	return entry & ((1 << KIND_BITS) - 1);
}

/* The page that the entry points to, or null. */
static struct page_of_entries *page_below(uint64_t entry)
{
	return kind_of(entry) == PAGE
		       ? (struct page_of_entries *)(uintptr_t)(entry - PAGE)
		       : NULL;
}

void map_cache_free(struct map_cache *map)
{
	if (!map)
		return;
	for (uint64_t i = 0; i < n_roots(map->size); i++) {
		struct page_of_entries *page = page_below(map->root[i]);

		for (int j = 0; page && j < ENTRIES; j++)
			free(page_below(page->entries[j]));
		free(page);
	}
	free(map->images);
	free(map);
}

static uint64_t load(entry_t *entry)
{
	return atomic_load_explicit(entry, memory_order_acquire);
}

static entry_t *coarse_of(struct page_of_entries *page, uint64_t off)
{
	return &page->entries[(off >> COARSE_SHIFT) % ENTRIES];
}

static entry_t *fine_of(struct page_of_entries *page, uint64_t off)
{
	return &page->entries[(off >> FINE_SHIFT) % ENTRIES];
}

/* The entry of off, which covers *ret_unit bytes. */
static uint64_t find_entry(struct map_cache *map, uint64_t off,
			   uint64_t *ret_unit)
{
	struct page_of_entries *page =
		page_below(load(&map->root[off >> ROOT_SHIFT]));
	uint64_t entry;

	*ret_unit = COARSE;
	if (!page)
		return UNKNOWN;
	entry = load(coarse_of(page, off));
	page = page_below(entry);
	if (!page)
		return entry;
	*ret_unit = FINE;
	return load(fine_of(page, off));
}

/* The extent from off to the end of the entry's unit; not UNKNOWN. */
static struct chain_extent extent_of(const struct map_cache *map,
				     uint64_t entry, uint64_t off,
				     uint64_t unit)
{
	struct chain_extent e = { .zero = true, .len = unit - off % unit };

	if (kind_of(entry) == DATA) {
		e.zero = false;
		e.depth = entry >> KIND_BITS & ((1 << IMAGE_BITS) - 1);
		e.io = map->images[e.depth]->io;
		e.file_off = (entry >> (KIND_BITS + IMAGE_BITS)) * SECTOR +
			     off % unit;
	}
	return e;
}

/* The entry of an extent from skip bytes on; UNKNOWN if its file offset does
 * not fit an entry. */
static uint64_t entry_for(const struct chain_extent *e, uint64_t skip)
{
	uint64_t file_off = e->file_off + skip;

	if (e->zero)
		return ZERO;
	if (file_off % SECTOR || file_off / SECTOR >> FILE_OFF_BITS)
		return UNKNOWN;
	return DATA | (uint64_t)e->depth << KIND_BITS |
	       file_off / SECTOR << (KIND_BITS + IMAGE_BITS);
}

/* The page below an entry, made if needed; null: no room, or the entry is
 * uniform. */
static struct page_of_entries *make_page(struct map_cache *map, entry_t *at)
{
	uint64_t entry = load(at);
	struct page_of_entries *page = NULL;

	if (kind_of(entry) != UNKNOWN)
		return page_below(entry);
	if (atomic_fetch_add(&map->n_pages, 1) < PAGES_MAX)
		page = calloc(1, sizeof *page);
	if (page && atomic_compare_exchange_strong(
			    at, &entry, (uint64_t)(uintptr_t)page + PAGE))
		return page;
	/* Without room, or another thread was first. */
	free(page);
	atomic_fetch_sub(&map->n_pages, 1);
	return page_below(entry);
}

/* Maps the images from off's 4 KiB to the end of the extent there, and caches
 * the result in the entries of 4 KiB that it fills. */
static int fill_fine(struct map_cache *map, struct page_of_entries *page,
		     uint64_t off)
{
	uint64_t start = round_down(off, FINE);
	uint64_t end = min_u64(round_down(off, COARSE) + COARSE, map->size);
	struct chain_extent e;
	int r = chain_map_layers(map->images, map->n, start, end - start, &e);

	for (uint64_t done = 0; r == 0 && done + FINE <= e.len; done += FINE)
		atomic_store_explicit(fine_of(page, start + done),
				      entry_for(&e, done),
				      memory_order_release);
	return r;
}

/* Maps the images in off's 2 MiB, and caches the result. */
static int fill(struct map_cache *map, uint64_t off)
{
	uint64_t start = round_down(off, COARSE);
	uint64_t len = min_u64(COARSE, map->size - start);
	struct page_of_entries *middle, *last;
	struct chain_extent e;
	entry_t *at;
	int r = 0;

	middle = make_page(map, &map->root[off >> ROOT_SHIFT]);
	if (!middle)
		return 0;
	at = coarse_of(middle, off);
	if (kind_of(load(at)) == UNKNOWN) {
		uint64_t unknown = UNKNOWN, entry;

		r = chain_map_layers(map->images, map->n, start, len, &e);
		if (r < 0)
			return r;
		entry = e.len == len ? entry_for(&e, 0) : UNKNOWN;
		if (entry != UNKNOWN) {
			atomic_compare_exchange_strong(at, &unknown, entry);
			return 0;
		}
	}
	last = make_page(map, at);
	return last ? fill_fine(map, last, off) : 0;
}

/* The extent at off, at most one entry long if it is cached. */
static int map_one(struct map_cache *map, uint64_t off, uint64_t len,
		   struct chain_extent *ret)
{
	uint64_t unit, entry;

	if (off >= map->size) {
		*ret = (struct chain_extent){ .zero = true, .len = len };
		return 0;
	}
	/* The last entry may reach beyond the end of the disk. */
	len = min_u64(len, map->size - off);
	entry = find_entry(map, off, &unit);
	/* An error of fill may belong to another offset than off. */
	if (kind_of(entry) == UNKNOWN && fill(map, off) == 0)
		entry = find_entry(map, off, &unit);
	if (kind_of(entry) == UNKNOWN)
		return chain_map_layers(map->images, map->n, off, len, ret);
	*ret = extent_of(map, entry, off, unit);
	ret->len = min_u64(ret->len, len);
	return 0;
}

int map_cache_lookup(struct map_cache *map, uint64_t off, uint64_t len,
		     struct chain_extent *ret)
{
	struct chain_extent next;
	int r = map_one(map, off, len, ret);

	/* An error further on belongs to a later lookup. */
	while (r == 0 && ret->len < len &&
	       map_one(map, off + ret->len, len - ret->len, &next) == 0 &&
	       next.io == ret->io &&
	       (!next.io || next.file_off == ret->file_off + ret->len))
		ret->len += next.len;
	return r;
}
