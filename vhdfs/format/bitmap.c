/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sector bitmaps: search and change bits, page by page. */
#include "config.h"

#include "format/bitmap.h"

#include "base/bytes.h"
#include "format/table-cache.h"

/* The part of a range of bits that lies in one page. */
struct part {
	struct table_page *page;
	uint64_t bit, n;
};

static int get_part(const struct bitmap *b, uint64_t bit, uint64_t n,
		    struct part *ret)
{
	uint64_t page_bits = 8 * b->cache->page_size;
	uint64_t start = round_down(b->first + bit, page_bits);

	ret->bit = b->first + bit - start;
	ret->n = min_u64(n, page_bits - ret->bit);
	return table_cache_get(b->cache, b->file_off + start / 8, &ret->page);
}

/* Reverses the order of the bits in each byte. */
static uint64_t reverse_bits(uint64_t word)
{
	const uint64_t fours = 0x0f0f0f0f0f0f0f0f, twos = 0x3333333333333333;
	const uint64_t ones = 0x5555555555555555;

	word = (word >> 4 & fours) | (word & fours) << 4;
	word = (word >> 2 & twos) | (word & twos) << 2;
	return (word >> 1 & ones) | (word & ones) << 1;
}

/* The 64 bits around bit, the first one lowest. */
static uint64_t load_word(const struct bitmap *b, const uint8_t *data,
			  uint64_t bit)
{
	const void *at = data + bit / 64 * 8;
	uint64_t word = le64toh(
		__atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE));

	return b->msb_first ? reverse_bits(word) : word;
}

/* The number of bits of the part, from its first on, that are value. */
static uint64_t run_in_page(const struct bitmap *b, const struct part *part,
			    bool value)
{
	uint64_t done = 0;

	while (done < part->n) {
		uint64_t at = part->bit + done;
		uint64_t word = load_word(b, part->page->data, at);
		uint64_t differ = (value ? ~word : word) >> at % 64;

		if (differ) {
			done += __builtin_ctzll(differ);
			break;
		}
		done += 64 - at % 64;
	}
	return min_u64(done, part->n);
}

int bitmap_run(const struct bitmap *b, uint64_t bit, uint64_t n,
	       bool *ret_value, uint64_t *ret_run)
{
	struct part part;
	uint64_t run = 0, same;

	do {
		int r = get_part(b, bit + run, n - run, &part);

		if (r < 0)
			return r;
		if (!run)
			*ret_value = load_word(b, part.page->data, part.bit) >>
					     part.bit % 64 &
				     1;
		same = run_in_page(b, &part, *ret_value);
		run += same;
	} while (same == part.n && run < n);
	*ret_run = run;
	return 0;
}

void bits_fill(uint8_t *data, uint64_t bit, uint64_t n, bool value,
	       bool msb_first)
{
	while (n) {
		unsigned at = bit % 8;
		unsigned len = min_u64(n, 8 - at);
		uint8_t mask = (0xff >> (8 - len)) << at;

		if (msb_first)
			mask = reverse_bits(mask);
		if (value)
			__atomic_fetch_or(&data[bit / 8], mask,
					  __ATOMIC_RELEASE);
		else
			data[bit / 8] &= ~mask;
		bit += len;
		n -= len;
	}
}

int bitmap_fill(const struct bitmap *b, uint64_t bit, uint64_t n, bool value)
{
	struct part part;

	for (; n; bit += part.n, n -= part.n) {
		int r = get_part(b, bit, n, &part);

		if (r == 0 && run_in_page(b, &part, value) < part.n)
			r = table_cache_mark_dirty(b->cache, part.page);
		if (r < 0)
			return r;
		bits_fill(part.page->data, part.bit, part.n, value,
			  b->msb_first);
	}
	return 0;
}

bool bitmap_is_dirty(const struct bitmap *b, uint64_t bit, uint64_t n)
{
	struct part part;

	for (; n; bit += part.n, n -= part.n)
		if (get_part(b, bit, n, &part) < 0 || !part.page->dirty)
			return false;
	return true;
}
