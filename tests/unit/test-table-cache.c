/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table cache: the number of pages in memory, and pages that stay. */
#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/table-cache.h"
#include "unit/io-mem.h"

enum { PAGE = 512, MAX_PAGES = TABLE_CACHE_SIZE / PAGE };

struct fixture {
	struct mem_file file;
	struct io *io;
	struct table_cache cache;
};

static void set_up(struct fixture *f)
{
	mem_file_init(&f->file);
	mem_file_resize(&f->file, MIB(64));
	assert_ok(io_mem_open(&f->file, "mem", true, &f->io));
	assert_ok(table_cache_init(&f->cache, f->io, 0, PAGE, MIB(64) / PAGE,
				   NULL, NULL));
}

static void tear_down(struct fixture *f)
{
	table_cache_fini(&f->cache);
	io_close(f->io);
	mem_file_fini(&f->file);
}

static struct table_page *get(struct fixture *f, uint64_t number)
{
	struct table_page *page = NULL;

	assert_ok(table_cache_get(&f->cache, number * PAGE, &page));
	return page;
}

/* Reads n pages once each, and evicts as an image does. */
static void read_many(struct fixture *f, uint64_t from, uint64_t n)
{
	for (uint64_t i = from; i < from + n; i++) {
		get(f, i);
		if (table_cache_over_limit(&f->cache))
			table_cache_evict(&f->cache);
	}
}

static void memory_is_bounded(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	read_many(&f, 0, 5 * MAX_PAGES);
	assert_true(f.cache.n <= MAX_PAGES);
	tear_down(&f);
}

static void dirty_page_is_not_evicted(void **state)
{
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 7);
	assert_ok(table_cache_mark_dirty(&f.cache, page));
	page->data[0] = 0x5a;
	read_many(&f, 100, 3 * MAX_PAGES);
	assert_ptr_equal(table_cache_find(&f.cache, 7 * PAGE), page);
	assert_int_equal(page->data[0], 0x5a);
	tear_down(&f);
}

/* The disk has the page only after the snapshot is written. */
static void page_in_a_snapshot_is_not_evicted_until_it_is_written(void **state)
{
	struct dirty_snapshot snapshot;
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 7);
	assert_ok(table_cache_mark_dirty(&f.cache, page));
	page->data[0] = 0x5a;
	assert_ok(table_cache_snapshot_dirty(&f.cache, &snapshot));
	read_many(&f, 100, 3 * MAX_PAGES);
	assert_int_equal(get(&f, 7)->data[0], 0x5a);
	assert_ok(dirty_snapshot_write(&snapshot, f.io));
	table_cache_written(&f.cache, snapshot.gen);
	read_many(&f, 100, 3 * MAX_PAGES);
	assert_null(table_cache_find(&f.cache, 7 * PAGE));
	assert_int_equal(get(&f, 7)->data[0], 0x5a);
	dirty_snapshot_fini(&snapshot);
	tear_down(&f);
}

static void
page_of_two_snapshots_stays_until_the_second_is_checkpointed(void **state)
{
	struct dirty_snapshot first, second;
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 7);
	assert_ok(table_cache_mark_dirty(&f.cache, page));
	assert_ok(table_cache_snapshot_dirty(&f.cache, &first));
	assert_ok(table_cache_mark_dirty(&f.cache, page));
	page->data[0] = 0x5a;
	assert_ok(table_cache_snapshot_dirty(&f.cache, &second));
	table_cache_checkpointed(&f.cache, first.gen);
	read_many(&f, 100, 3 * MAX_PAGES);
	assert_ptr_equal(table_cache_find(&f.cache, 7 * PAGE), page);
	table_cache_checkpointed(&f.cache, second.gen);
	read_many(&f, 100, 3 * MAX_PAGES);
	assert_null(table_cache_find(&f.cache, 7 * PAGE));
	dirty_snapshot_fini(&first);
	dirty_snapshot_fini(&second);
	tear_down(&f);
}

static void page_in_use_is_not_evicted(void **state)
{
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 3);
	for (uint64_t i = 0; i < 3 * MAX_PAGES; i++) {
		assert_ptr_equal(get(&f, 3), page);
		read_many(&f, 100 + i, 1);
	}
	tear_down(&f);
}

static void mark_dirty_needs_disk_space(void **state)
{
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	mem_file_poke(&f.file, "x", 1, 0);
	f.file.room = 1;
	page = get(&f, 1000);
	assert_errno(table_cache_mark_dirty(&f.cache, page), -ENOSPC);
	assert_false(page->dirty);
	assert_int_equal(f.cache.n_dirty, 0);
	f.file.room = 0;
	assert_ok(table_cache_mark_dirty(&f.cache, page));
	assert_int_equal(f.cache.n_dirty, 1);
	/* A second mark reserves nothing. */
	assert_ok(table_cache_mark_dirty(&f.cache, page));
	assert_int_equal(f.file.n_reserve, 2);
	tear_down(&f);
}

static void restored_pages_are_dirty_again(void **state)
{
	struct dirty_snapshot snapshot;
	struct fixture f;

	(void)state;
	set_up(&f);
	for (uint64_t i = 0; i < 9; i++)
		assert_ok(table_cache_mark_dirty(&f.cache, get(&f, i * i)));
	assert_ok(table_cache_snapshot_dirty(&f.cache, &snapshot));
	assert_int_equal(f.cache.n_dirty, 0);
	table_cache_restore_dirty(&f.cache, &snapshot);
	assert_int_equal(f.cache.n_dirty, 9);
	assert_ok(table_cache_snapshot_dirty(&f.cache, &snapshot));
	assert_int_equal(snapshot.n, 9);
	assert_int_equal(snapshot.file_off[8], 64 * PAGE);
	dirty_snapshot_fini(&snapshot);
	tear_down(&f);
}

static void offsets_are_relative_to_the_base(void **state)
{
	struct dirty_snapshot snapshot;
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	table_cache_fini(&f.cache);
	mem_file_poke(&f.file, "here", 4, 12345 + PAGE);
	assert_ok(table_cache_init(&f.cache, f.io, 12345, PAGE, 8, NULL, NULL));
	page = get(&f, 1);
	assert_memory_equal(page->data, "here", 4);
	assert_ok(table_cache_mark_dirty(&f.cache, page));
	memcpy(page->data, "HERE", 4);
	assert_ok(table_cache_snapshot_dirty(&f.cache, &snapshot));
	assert_ok(dirty_snapshot_write(&snapshot, f.io));
	dirty_snapshot_fini(&snapshot);
	mem_file_peek(&f.file, page->data, 5, 12344 + PAGE);
	assert_memory_equal(page->data, "\0HERE", 5);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(dirty_page_is_not_evicted),
		cmocka_unit_test(
			page_in_a_snapshot_is_not_evicted_until_it_is_written),
		cmocka_unit_test(
			page_of_two_snapshots_stays_until_the_second_is_checkpointed),
		cmocka_unit_test(page_in_use_is_not_evicted),
		cmocka_unit_test(mark_dirty_needs_disk_space),
		cmocka_unit_test(restored_pages_are_dirty_again),
		cmocka_unit_test(offsets_are_relative_to_the_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
