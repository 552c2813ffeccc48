/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "format/space.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/* So many ranges are worth joining before the list grows. */
enum { JOIN_FROM = 1 << 16 };

void space_fini(struct space *space)
{
	free(space->used);
	memset(space, 0, sizeof *space);
}

static int grow_to_double(struct space *space)
{
	size_t room = space->room ? 2 * space->room : 64;
	struct range *used = space->used;

	if (room > SPACE_RANGES_MAX)
		return fail(-EFBIG,
			    "its blocks lie in more than %d pieces of the "
			    "file; convert makes a whole one of it",
			    SPACE_RANGES_MAX);
	used = realloc(used, room * sizeof *used);
	if (!used)
		return fail(-ENOMEM, "out of memory for a list of used space");
	space->used = used;
	space->room = room;
	return 0;
}

/* Makes room for one more range. */
static int grow(struct space *space)
{
	return space->n < space->room ? 0 : grow_to_double(space);
}

int space_add(struct space *space, uint64_t off, uint64_t len)
{
	int r;

	if (!len)
		return 0;
	/* What is many now may be one when it is joined; where it is not, the
	 * list is let grow, so that this is not tried each time. */
	if (space->n == space->room && space->n >= JOIN_FROM) {
		space_settle(space);
		r = space->n > space->room / 2 ? grow_to_double(space) : 0;
	} else {
		r = grow(space);
	}
	if (r == 0)
		space->used[space->n++] = (struct range){ off, off + len };
	return r;
}

static int by_offset(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->off > y->off) - (x->off < y->off);
}

void space_settle(struct space *space)
{
	size_t n = 0;

	if (space->n)
		qsort(space->used, space->n, sizeof *space->used, by_offset);
	for (size_t i = 0; i < space->n; i++) {
		struct range r = space->used[i];
		struct range *last = n ? &space->used[n - 1] : NULL;

		if (last && space->overlap && r.off < last->end)
			space->overlap(space->ctx, r.off,
				       min_u64(last->end, r.end) - r.off);
		if (last && r.off <= last->end)
			last->end = max_u64(last->end, r.end);
		else
			space->used[n++] = r;
	}
	space->n = n;
}

/* The first range that ends after off: its index, n where there is none. */
static size_t first_after(const struct space *space, uint64_t off)
{
	size_t lo = 0, hi = space->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (space->used[mid].end > off)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

/* What is marked and released comes from tables in the file. */
static int fail_range(uint64_t off, uint64_t len, const char *expected,
		      const char *found)
{
	return fail(-EBADMSG,
		    "block at offset %" PRIu64
		    ": expected %s in all of %" PRIu64
		    " bytes, found %s; check names what is wrong",
		    off, expected, len, found);
}

int space_mark(struct space *space, uint64_t off, uint64_t len)
{
	size_t i = first_after(space, off);
	bool joins_left = i > 0 && space->used[i - 1].end == off;
	bool joins_right = i < space->n && space->used[i].off == off + len;
	int r;

	if (i < space->n && space->used[i].off < off + len)
		return fail_range(off, len, "free space", "space in use");
	if (joins_left && joins_right) {
		space->used[i - 1].end = space->used[i].end;
		memmove(&space->used[i], &space->used[i + 1],
			(--space->n - i) * sizeof *space->used);
	} else if (joins_left) {
		space->used[i - 1].end += len;
	} else if (joins_right) {
		space->used[i].off = off;
	} else {
		r = grow(space);
		if (r < 0)
			return r;
		memmove(&space->used[i + 1], &space->used[i],
			(space->n++ - i) * sizeof *space->used);
		space->used[i] = (struct range){ off, off + len };
	}
	return 0;
}

int space_take(struct space *space, uint64_t len, uint64_t align,
	       uint64_t phase, uint64_t from, uint64_t end, uint64_t *ret_off)
{
	size_t i = first_after(space, from);
	uint64_t off = round_up(from - min_u64(from, phase), align) + phase;
	int r;

	for (; i < space->n; i++) {
		if (off + len <= space->used[i].off)
			break;
		if (off < space->used[i].end)
			off = round_up(space->used[i].end -
					       min_u64(space->used[i].end,
						       phase),
				       align) +
			      phase;
	}
	if (!range_within(off, len, end))
		return -ENOSPC;
	r = space_mark(space, off, len);
	if (r == 0)
		*ret_off = off;
	return r;
}

int space_release(struct space *space, uint64_t off, uint64_t len)
{
	size_t i = first_after(space, off);
	struct range *range = &space->used[i];
	uint64_t end = i < space->n ? range->end : 0;
	int r;

	if (end < off + len || range->off > off)
		return fail_range(off, len, "space in use", "free space");
	if (range->off < off && end > off + len) {
		r = grow(space);
		if (r < 0)
			return r;
		memmove(&space->used[i + 1], &space->used[i],
			(space->n++ - i) * sizeof *space->used);
		space->used[i].end = off;
		space->used[i + 1].off = off + len;
	} else if (range->off < off) {
		range->end = off;
	} else if (end > off + len) {
		range->off = off + len;
	} else {
		memmove(range, range + 1, (--space->n - i) * sizeof *range);
	}
	return 0;
}

bool space_is_free(const struct space *space, uint64_t off, uint64_t len)
{
	size_t i = first_after(space, off);

	return i == space->n || space->used[i].off >= off + len;
}

uint64_t space_end(const struct space *space)
{
	return space->n ? space->used[space->n - 1].end : 0;
}

uint64_t space_free_below(const struct space *space, uint64_t end)
{
	uint64_t free_bytes = 0, at = 0;

	for (size_t i = 0; i < space->n && space->used[i].off < end; i++) {
		free_bytes +=
			space->used[i].off - min_u64(at, space->used[i].off);
		at = space->used[i].end;
	}
	return free_bytes + (at < end ? end - at : 0);
}
