/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extent set: a sorted array of ranges, searched by bisection. */
#include "config.h"

#include "format/extent-set.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/* From this number on, ranges are joined before the array grows. */
enum { JOIN_FROM = 1 << 16 };

void extent_set_fini(struct extent_set *set)
{
	free(set->used);
	memset(set, 0, sizeof *set);
}

/* Makes room for one more range. */
static int grow(struct extent_set *set)
{
	size_t room = set->room ? 2 * set->room : 64;
	struct range *used;

	if (set->n < set->room)
		return 0;
	/* Joining may free room.  If it frees less than half, the array grows
	 * as well, so that the next call does not sort again. */
	if (set->n >= JOIN_FROM)
		extent_set_sort(set);
	if (set->n < set->room / 2)
		return 0;
	if (room > EXTENT_SET_MAX)
		return fail(-EFBIG,
			    "block map: expected at most %d pieces of the "
			    "file, found more; copy the image with "
			    "`vhdfs-img convert'",
			    EXTENT_SET_MAX);
	used = realloc(set->used, room * sizeof *used);
	if (!used)
		return fail(-ENOMEM, "out of memory for the map of used space");
	set->used = used;
	set->room = room;
	return 0;
}

int extent_set_add(struct extent_set *set, uint64_t off, uint64_t len)
{
	int r;

	if (!len)
		return 0;
	r = grow(set);
	if (r == 0)
		set->used[set->n++] = (struct range){ off, off + len };
	return r;
}

int extent_set_append(struct extent_set *set, uint64_t off, uint64_t len)
{
	struct range *last = set->n ? &set->used[set->n - 1] : NULL;

	if (!last || last->end != off)
		return extent_set_add(set, off, len);
	last->end += len;
	return 0;
}

int extent_set_add_all(struct extent_set *set, const struct extent_set *other)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < other->n; i++)
		r = extent_set_add(set, other->used[i].off,
				   other->used[i].end - other->used[i].off);
	return r;
}

static void note_overlap(struct extent_set *set, uint64_t off, uint64_t len)
{
	set->overlaps = true;
	set->overlap_off = off;
	if (set->overlap)
		set->overlap(set->ctx, off, len);
}

static int by_offset(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

void extent_set_sort(struct extent_set *set)
{
	size_t n = 0;

	if (set->n)
		qsort(set->used, set->n, sizeof *set->used, by_offset);
	for (size_t i = 0; i < set->n; i++) {
		struct range r = set->used[i];
		struct range *last = n ? &set->used[n - 1] : NULL;

		if (last && r.off < last->end)
			note_overlap(set, r.off,
				     min_u64(last->end, r.end) - r.off);
		if (last && r.off <= last->end)
			last->end = max_u64(last->end, r.end);
		else
			set->used[n++] = r;
	}
	set->n = n;
}

/* The index of the first range that ends behind off; n if there is none. */
static size_t first_after(const struct extent_set *set, uint64_t off)
{
	size_t lo = 0, hi = set->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (set->used[mid].end > off)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* The ranges come from tables of the file: an error means a damaged file. */
static int fail_range(uint64_t off, uint64_t len, const char *expected,
		      const char *found)
{
	return fail(-EBADMSG,
		    "block at offset %" PRIu64 ": expected %" PRIu64
		    " bytes of %s, found %s; see `vhdfs-img check'",
		    off, len, expected, found);
}

int extent_set_insert(struct extent_set *set, uint64_t off, uint64_t len)
{
	size_t i = first_after(set, off);
	bool joins_left = i > 0 && set->used[i - 1].end == off;
	bool joins_right = i < set->n && set->used[i].off == off + len;
	int r;

	if (i < set->n && set->used[i].off < off + len)
		return fail_range(off, len, "free space", "space in use");
	if (joins_left && joins_right) {
		set->used[i - 1].end = set->used[i].end;
		memmove(&set->used[i], &set->used[i + 1],
			(--set->n - i) * sizeof *set->used);
	} else if (joins_left) {
		set->used[i - 1].end += len;
	} else if (joins_right) {
		set->used[i].off = off;
	} else {
		r = grow(set);
		if (r < 0)
			return r;
		memmove(&set->used[i + 1], &set->used[i],
			(set->n++ - i) * sizeof *set->used);
		set->used[i] = (struct range){ off, off + len };
	}
	return 0;
}

int extent_set_alloc(struct extent_set *set, uint64_t len, uint64_t align,
		     uint64_t phase, uint64_t from, uint64_t end,
		     uint64_t *ret_off)
{
	size_t i = first_after(set, from);
	uint64_t off = round_up(from - min_u64(from, phase), align) + phase;
	int r;

	for (; i < set->n; i++) {
		if (off + len <= set->used[i].off)
			break;
		if (off < set->used[i].end)
			off = round_up(set->used[i].end -
					       min_u64(set->used[i].end, phase),
				       align) +
			      phase;
	}
	if (!range_within(off, len, end))
		return -ENOSPC;
	r = extent_set_insert(set, off, len);
	if (r == 0)
		*ret_off = off;
	return r;
}

int extent_set_remove(struct extent_set *set, uint64_t off, uint64_t len)
{
	size_t i = first_after(set, off);
	struct range *range = &set->used[i];
	uint64_t end = i < set->n ? range->end : 0;
	int r;

	if (end < off + len || range->off > off)
		return fail_range(off, len, "space in use", "free space");
	if (range->off < off && end > off + len) {
		r = grow(set);
		if (r < 0)
			return r;
		memmove(&set->used[i + 1], &set->used[i],
			(set->n++ - i) * sizeof *set->used);
		set->used[i].end = off;
		set->used[i + 1].off = off + len;
	} else if (range->off < off) {
		range->end = off;
	} else if (end > off + len) {
		range->off = off + len;
	} else {
		memmove(range, range + 1, (--set->n - i) * sizeof *range);
	}
	return 0;
}

int extent_set_remove_all(struct extent_set *set, struct extent_set *freed)
{
	for (; freed->n; freed->n--) {
		const struct range *range = &freed->used[freed->n - 1];
		int r = extent_set_remove(set, range->off,
					  range->end - range->off);

		if (r < 0)
			return r;
	}
	extent_set_fini(freed);
	return 0;
}

bool extent_set_is_free(const struct extent_set *set, uint64_t off,
			uint64_t len)
{
	size_t i = first_after(set, off);

	return i == set->n || set->used[i].off >= off + len;
}

uint64_t extent_set_end(const struct extent_set *set)
{
	return set->n ? set->used[set->n - 1].end : 0;
}
