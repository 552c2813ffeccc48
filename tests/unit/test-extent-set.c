/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Space, against an array of flags: one a unit of the file. */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/extent-set.h"

enum { UNITS = 200 };

static void same(const struct extent_set *space, const bool *used)
{
	uint64_t free_units = 0, end = 0;

	for (unsigned i = 0; i < UNITS; i++) {
		free_units += !used[i];
		if (used[i])
			end = i + 1;
	}
	assert_int_equal(extent_set_free_below(space, UNITS), free_units);
	assert_int_equal(extent_set_end(space), end);
	for (size_t i = 0; i < space->n; i++) {
		assert_true(space->used[i].off < space->used[i].end);
		/* Neighbours are one range. */
		if (i)
			assert_true(space->used[i - 1].end <
				    space->used[i].off);
	}
}

/* The lowest place for len units, as extent_set_alloc is to find it. */
static int lowest(const bool *used, unsigned len, unsigned align,
		  unsigned phase)
{
	for (unsigned off = phase; off + len <= UNITS; off += align) {
		unsigned n = 0;

		while (n < len && !used[off + n])
			n++;
		if (n == len)
			return (int)off;
	}
	return -1;
}

static void takes_the_lowest_place_and_gives_it_back(void **state)
{
	uint64_t seed = seed_from_environment();
	struct extent_set space = { 0 };
	bool used[UNITS] = { false };

	(void)state;
	for (int i = 0; i < 3000; i++) {
		unsigned len = 1 + random_next(&seed) % 6;
		unsigned align = 1u << random_next(&seed) % 4;
		unsigned phase = random_next(&seed) % align;
		unsigned at = random_next(&seed) % (UNITS - len);
		int want = lowest(used, len, align, phase), r;
		uint64_t off;

		if (random_next(&seed) % 2) {
			r = extent_set_alloc(&space, len, align, phase, 0,
					     UNITS, &off);
			assert_int_equal(r, want < 0 ? -ENOSPC : 0);
			if (r == 0) {
				assert_int_equal(off, want);
				memset(used + off, true, len);
			}
		} else if (used[at]) {
			assert_ok(extent_set_remove(&space, at, 1));
			used[at] = false;
		}
		same(&space, used);
	}
	extent_set_fini(&space);
}

static void a_range_that_is_not_as_it_is_to_be_is_refused(void **state)
{
	struct extent_set space = { 0 };

	(void)state;
	assert_errno(extent_set_remove(&space, 0, 1), -EBADMSG);
	assert_ok(extent_set_insert(&space, 10, 10));
	assert_errno(extent_set_insert(&space, 19, 1), -EBADMSG);
	assert_errno(extent_set_insert(&space, 5, 6), -EBADMSG);
	assert_errno(extent_set_remove(&space, 5, 6), -EBADMSG);
	assert_errno(extent_set_remove(&space, 15, 6), -EBADMSG);
	assert_errno(extent_set_remove(&space, 20, 1), -EBADMSG);
	assert_non_null(strstr(error_text(), "block at offset 20: expected"));
	assert_int_equal(extent_set_free_below(&space, 30), 20);
	extent_set_fini(&space);
}

static void count_overlap(void *ctx, uint64_t off, uint64_t len)
{
	uint64_t *found = ctx;

	found[0] = off;
	found[1] = len;
}

static void settling_joins_and_finds_overlaps(void **state)
{
	uint64_t found[2] = { 0 };
	struct extent_set space = { .overlap = count_overlap, .ctx = found };

	(void)state;
	assert_ok(extent_set_add(&space, 30, 10));
	assert_ok(extent_set_add(&space, 0, 10));
	assert_ok(extent_set_add(&space, 10, 5));
	extent_set_sort(&space);
	assert_int_equal(found[1], 0);
	assert_int_equal(space.n, 2);
	assert_ok(extent_set_add(&space, 38, 10));
	extent_set_sort(&space);
	assert_int_equal(found[0], 38);
	assert_int_equal(found[1], 2);
	assert_int_equal(extent_set_end(&space), 48);
	extent_set_fini(&space);
}

/* In an order in which no two that come after each other are neighbours. */
static void many_neighbours_take_little_memory(void **state)
{
	struct extent_set space = { 0 };
	uint64_t n = UINT64_C(1) << 22;

	(void)state;
	for (uint64_t i = 0; i < n; i++)
		assert_ok(extent_set_add(&space, i * 0x9e3779b1 % n, 1));
	extent_set_sort(&space);
	assert_int_equal(space.n, 1);
	assert_int_equal(extent_set_end(&space), n);
	assert_true(space.room * sizeof *space.used <= MIB(64));
	extent_set_fini(&space);
}

static void pieces_without_end_are_refused(void **state)
{
	struct extent_set space = { 0 };
	uint64_t i = 0;
	int r = 0;

	(void)state;
	while (r == 0 && i <= 2 * (uint64_t)EXTENT_SET_MAX)
		r = extent_set_add(&space, 2 * i++, 1);
	assert_errno(r, -EFBIG);
	assert_true(space.room * sizeof *space.used <= MIB(64));
	extent_set_fini(&space);
}

static void nothing_is_taken_beyond_the_end(void **state)
{
	struct extent_set space = { 0 };
	uint64_t off = 77;

	(void)state;
	assert_ok(extent_set_insert(&space, 0, 8));
	assert_errno(extent_set_alloc(&space, 8, 8, 0, 0, 15, &off), -ENOSPC);
	assert_int_equal(off, 77);
	assert_ok(extent_set_alloc(&space, 8, 8, 0, 0, 16, &off));
	assert_int_equal(off, 8);
	extent_set_fini(&space);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_that_is_not_as_it_is_to_be_is_refused),
		cmocka_unit_test(takes_the_lowest_place_and_gives_it_back),
		cmocka_unit_test(settling_joins_and_finds_overlaps),
		cmocka_unit_test(many_neighbours_take_little_memory),
		cmocka_unit_test(pieces_without_end_are_refused),
		cmocka_unit_test(nothing_is_taken_beyond_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
