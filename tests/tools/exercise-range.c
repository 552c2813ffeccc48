/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ranges of exercise's operations: bytes of the thread's own, mostly at the
 * start or the end of a structure.
 */
#include "config.h"

#include "tools/exercise.h"

enum { PAGE = 4096 };

uint64_t mix(uint64_t z)
{
	z += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

uint64_t below(struct worker *w, uint64_t limit)
{
	w->random += 0x9e3779b97f4a7c15;
	return mix(w->random) % limit;
}

static uint64_t choose_length(struct worker *w)
{
	static const uint32_t lengths[] = { 1,    511,   512,       513,
					    4096, 65536, LENGTH_MAX };
	const unsigned n = sizeof lengths / sizeof *lengths;
	unsigned i = below(w, n + 3);

	if (i < n)
		return lengths[i];
	if (i == n)
		return 512 * (1 + below(w, 64));
	if (i == n + 1)
		return PAGE * (1 + below(w, 16));
	return 1 + below(w, 20000);
}

/* The block that all threads change at the same time. */
static uint64_t hot_block(const struct worker *w)
{
	const struct exercise *x = w->x;
	uint64_t blocks = (x->size + x->block - 1) / x->block;
	uint64_t turn = w->record->number / (8 * x->threads);

	return mix(mix(x->seed + x->round) + turn) % blocks;
}

/* May lie a little outside the disk, at both ends. */
static int64_t choose_offset(struct worker *w, uint64_t len)
{
	const struct exercise *x = w->x;
	int64_t block = (int64_t)(hot_block(w) * x->block);

	switch (below(w, 8)) {
	case 0: /* Across the block's start. */
		return block - (int64_t)below(w, len + 1);
	case 1: /* Just before or after the block's start. */
		return block + (int64_t)below(w, 2049) - 1024;
	case 2: /* The block's first sectors. */
		return block + (int64_t)(below(w, 2) * below(w, 4) * 512);
	case 3: /* The disk's end. */
		return (int64_t)(x->size - below(w, 3) * 512) - (int64_t)len;
	case 4: /* The disk's start: many ranges that overlap. */
		return (int64_t)below(w, 16384);
	case 5:
		return block + (int64_t)below(w, 64) * 512;
	case 6:
		return block + (int64_t)below(w, x->block);
	default:
		return (int64_t)below(w, x->size);
	}
}

/* The end of the unit that contains off. */
uint64_t copyup_end(const struct exercise *x, uint64_t off)
{
	return least(x->size, off - off % x->unit + x->unit);
}

/* A nearby byte of the thread's own. */
uint64_t own_byte(const struct worker *w, uint64_t off)
{
	const struct exercise *x = w->x;
	uint64_t unit = off / x->unit;

	if (x->threads == 1)
		return off;
	unit = unit - unit % x->threads + w->me;
	/* The disk has at least as many units as threads. */
	if (unit * x->unit >= x->size)
		unit -= x->threads;
	return least(unit * x->unit + off % x->unit, x->size - 1);
}

void choose_range(struct worker *w, uint64_t *ret_off, uint64_t *ret_len)
{
	const struct exercise *x = w->x;
	uint64_t len = choose_length(w);
	int64_t at = choose_offset(w, len);
	uint64_t off = at < 0 ? 0 : least((uint64_t)at, x->size - 1);

	*ret_off = own_byte(w, off);
	*ret_len = least(len, copyup_end(x, *ret_off) - *ret_off);
}

/* Chooses the range of the current operation. */
void own_range(struct worker *w)
{
	choose_range(w, &w->record->off, &w->record->len);
}

/* One time in three whole blocks, if the thread owns whole blocks. */
void own_range_to_clear(struct worker *w)
{
	struct exercise *x = w->x;
	uint64_t off = hot_block(w) * x->block;

	own_range(w);
	if (below(w, 3) || own_byte(w, off) != off)
		return;
	w->record->off = off;
	w->record->len =
		least((1 + below(w, 3)) * x->block, copyup_end(x, off) - off);
}
