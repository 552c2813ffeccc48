/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Extent sets, compared with an array of flags, one for each unit of the file.
 */
#include "unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/extent-set.h"

enum { UNITS = 200 };

static void expect_equal(const struct extent_set *set, const bool *used)
{
	uint64_t end = 0;

	for (unsigned i = 0; i < UNITS; i++) {
		assert_int_equal(extent_set_is_free(set, i, 1), !used[i]);
		if (used[i])
			end = i + 1;
	}
	assert_int_equal(extent_set_end(set), end);
	for (size_t i = 0; i < set->n; i++) {
		assert_true(set->used[i].off < set->used[i].end);
		/* Adjacent ranges are joined. */
		if (i)
			assert_true(set->used[i - 1].end < set->used[i].off);
	}
}

/* The expected result of extent_set_alloc, or -1. */
static int lowest_free(const bool *used, unsigned len, unsigned align,
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

static void alloc_takes_the_lowest_free_range(void **state)
{
	uint64_t seed = seed_from_environment();
	struct extent_set set = { 0 };
	bool used[UNITS] = { false };

	(void)state;
	for (int i = 0; i < 3000; i++) {
		unsigned len = 1 + random_next(&seed) % 6;
		unsigned align = 1u << random_next(&seed) % 4;
		unsigned phase = random_next(&seed) % align;
		unsigned at = random_next(&seed) % (UNITS - len);
		int want = lowest_free(used, len, align, phase), r;
		uint64_t off;

		if (random_next(&seed) % 2) {
			r = extent_set_alloc(&set, len, align, phase, 0, UNITS,
					     &off);
			assert_int_equal(r, want < 0 ? -ENOSPC : 0);
			if (r == 0) {
				assert_int_equal(off, want);
				memset(used + off, true, len);
			}
		} else if (used[at]) {
			assert_ok(extent_set_remove(&set, at, 1));
			used[at] = false;
		}
		expect_equal(&set, used);
	}
	extent_set_fini(&set);
}

static void insert_in_use_and_remove_free_fail(void **state)
{
	struct extent_set set = { 0 };

	(void)state;
	assert_errno(extent_set_remove(&set, 0, 1), -EBADMSG);
	assert_ok(extent_set_insert(&set, 10, 10));
	assert_errno(extent_set_insert(&set, 19, 1), -EBADMSG);
	assert_errno(extent_set_insert(&set, 5, 6), -EBADMSG);
	assert_errno(extent_set_remove(&set, 5, 6), -EBADMSG);
	assert_errno(extent_set_remove(&set, 15, 6), -EBADMSG);
	assert_errno(extent_set_remove(&set, 20, 1), -EBADMSG);
	assert_non_null(strstr(error_text(), "block at offset 20: expected"));
	assert_true(extent_set_is_free(&set, 0, 10));
	assert_int_equal(extent_set_end(&set), 20);
	extent_set_fini(&set);
}

static void record_overlap(void *ctx, uint64_t off, uint64_t len)
{
	uint64_t *found = ctx;

	found[0] = off;
	found[1] = len;
}

static void sort_joins_and_reports_overlaps(void **state)
{
	uint64_t found[2] = { 0 };
	struct extent_set set = { .overlap = record_overlap, .ctx = found };

	(void)state;
	assert_ok(extent_set_add(&set, 30, 10));
	assert_ok(extent_set_add(&set, 0, 10));
	assert_ok(extent_set_add(&set, 10, 5));
	extent_set_sort(&set);
	assert_int_equal(found[1], 0);
	assert_false(set.overlaps);
	assert_int_equal(set.n, 2);
	assert_ok(extent_set_add(&set, 38, 10));
	extent_set_sort(&set);
	assert_int_equal(found[0], 38);
	assert_int_equal(found[1], 2);
	assert_true(set.overlaps);
	assert_int_equal(set.overlap_off, 38);
	assert_int_equal(extent_set_end(&set), 48);
	extent_set_fini(&set);
}

/* Added in an order in which no two successive ranges are adjacent. */
static void adjacent_ranges_take_little_memory(void **state)
{
	struct extent_set set = { 0 };
	uint64_t n = UINT64_C(1) << 22;

	(void)state;
	for (uint64_t i = 0; i < n; i++)
		assert_ok(extent_set_add(&set, i * 0x9e3779b1 % n, 1));
	extent_set_sort(&set);
	assert_int_equal(set.n, 1);
	assert_int_equal(extent_set_end(&set), n);
	assert_true(set.room * sizeof *set.used <= MIB(64));
	extent_set_fini(&set);
}

static void too_many_ranges_are_refused(void **state)
{
	struct extent_set set = { 0 };
	uint64_t i = 0;
	int r = 0;

	(void)state;
	while (r == 0 && i <= 2 * (uint64_t)EXTENT_SET_MAX)
		r = extent_set_add(&set, 2 * i++, 1);
	assert_errno(r, -EFBIG);
	assert_true(set.room * sizeof *set.used <= MIB(64));
	extent_set_fini(&set);
}

static void alloc_ends_before_the_end(void **state)
{
	struct extent_set set = { 0 };
	uint64_t off = 77;

	(void)state;
	assert_ok(extent_set_insert(&set, 0, 8));
	assert_errno(extent_set_alloc(&set, 8, 8, 0, 0, 15, &off), -ENOSPC);
	assert_int_equal(off, 77);
	assert_ok(extent_set_alloc(&set, 8, 8, 0, 0, 16, &off));
	assert_int_equal(off, 8);
	extent_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(insert_in_use_and_remove_free_fail),
		cmocka_unit_test(alloc_takes_the_lowest_free_range),
		cmocka_unit_test(sort_joins_and_reports_overlaps),
		cmocka_unit_test(adjacent_ranges_take_little_memory),
		cmocka_unit_test(too_many_ranges_are_refused),
		cmocka_unit_test(alloc_ends_before_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
