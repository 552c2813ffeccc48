/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pages of tables in memory: how many are kept, and which never go. */
#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/table-cache.h"
#include "unit/io-mem.h"

enum { PAGE = 512, MOST = TABLE_CACHE_SIZE / PAGE };

struct fixture {
	struct mem_file file;
	struct io *io;
	struct table_cache pages;
};

static void set_up(struct fixture *f)
{
	mem_file_init(&f->file);
	mem_file_resize(&f->file, MIB(64));
	assert_ok(io_mem_open(&f->file, "mem", true, &f->io));
	assert_ok(table_cache_init(&f->pages, f->io, 0, PAGE, MIB(64) / PAGE,
				   NULL, NULL));
}

static void tear_down(struct fixture *f)
{
	table_cache_fini(&f->pages);
	io_close(f->io);
	mem_file_fini(&f->file);
}

static struct table_page *get(struct fixture *f, uint64_t number)
{
	struct table_page *page = NULL;

	assert_ok(table_cache_get(&f->pages, number * PAGE, &page));
	return page;
}

/* Reads n pages that nobody asks for again, as the image would. */
static void read_many(struct fixture *f, uint64_t from, uint64_t n)
{
	for (uint64_t i = from; i < from + n; i++) {
		get(f, i);
		if (table_cache_over_limit(&f->pages))
			table_cache_evict(&f->pages);
	}
}

static void no_more_are_kept_than_said(void **state)
{
	struct fixture f;

	(void)state;
	set_up(&f);
	read_many(&f, 0, 5 * MOST);
	assert_true(f.pages.n <= MOST);
	tear_down(&f);
}

static void what_waits_to_be_written_stays(void **state)
{
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 7);
	assert_ok(table_cache_mark_dirty(&f.pages, page));
	page->data[0] = 0x5a;
	read_many(&f, 100, 3 * MOST);
	assert_ptr_equal(table_cache_find(&f.pages, 7 * PAGE), page);
	assert_int_equal(page->data[0], 0x5a);
	tear_down(&f);
}

/* The disk does not have it before the copy is written. */
static void what_is_being_written_stays_until_it_is(void **state)
{
	struct dirty_snapshot copies;
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 7);
	assert_ok(table_cache_mark_dirty(&f.pages, page));
	page->data[0] = 0x5a;
	assert_ok(table_cache_snapshot_dirty(&f.pages, &copies));
	read_many(&f, 100, 3 * MOST);
	assert_int_equal(get(&f, 7)->data[0], 0x5a);
	assert_ok(dirty_snapshot_write(&copies, f.io));
	table_cache_written(&f.pages, copies.gen);
	read_many(&f, 100, 3 * MOST);
	assert_null(table_cache_find(&f.pages, 7 * PAGE));
	assert_int_equal(get(&f, 7)->data[0], 0x5a);
	dirty_snapshot_fini(&copies);
	tear_down(&f);
}

static void
what_was_taken_again_stays_until_the_last_is_in_its_place(void **state)
{
	struct dirty_snapshot first, second;
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 7);
	assert_ok(table_cache_mark_dirty(&f.pages, page));
	assert_ok(table_cache_snapshot_dirty(&f.pages, &first));
	assert_ok(table_cache_mark_dirty(&f.pages, page));
	page->data[0] = 0x5a;
	assert_ok(table_cache_snapshot_dirty(&f.pages, &second));
	table_cache_checkpointed(&f.pages, first.gen);
	read_many(&f, 100, 3 * MOST);
	assert_ptr_equal(table_cache_find(&f.pages, 7 * PAGE), page);
	table_cache_checkpointed(&f.pages, second.gen);
	read_many(&f, 100, 3 * MOST);
	assert_null(table_cache_find(&f.pages, 7 * PAGE));
	dirty_snapshot_fini(&first);
	dirty_snapshot_fini(&second);
	tear_down(&f);
}

static void what_is_used_all_the_time_stays(void **state)
{
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	page = get(&f, 3);
	for (uint64_t i = 0; i < 3 * MOST; i++) {
		assert_ptr_equal(get(&f, 3), page);
		read_many(&f, 100 + i, 1);
	}
	tear_down(&f);
}

static void a_page_is_changed_only_when_it_has_room(void **state)
{
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	mem_file_poke(&f.file, "x", 1, 0);
	f.file.room = 1;
	page = get(&f, 1000);
	assert_errno(table_cache_mark_dirty(&f.pages, page), -ENOSPC);
	assert_false(page->dirty);
	assert_int_equal(f.pages.n_dirty, 0);
	f.file.room = 0;
	assert_ok(table_cache_mark_dirty(&f.pages, page));
	assert_int_equal(f.pages.n_dirty, 1);
	/* Once is enough. */
	assert_ok(table_cache_mark_dirty(&f.pages, page));
	assert_int_equal(f.file.n_reserve, 2);
	tear_down(&f);
}

static void copies_that_are_put_back_are_dirty_again(void **state)
{
	struct dirty_snapshot copies;
	struct fixture f;

	(void)state;
	set_up(&f);
	for (uint64_t i = 0; i < 9; i++)
		assert_ok(table_cache_mark_dirty(&f.pages, get(&f, i * i)));
	assert_ok(table_cache_snapshot_dirty(&f.pages, &copies));
	assert_int_equal(f.pages.n_dirty, 0);
	table_cache_restore_dirty(&f.pages, &copies);
	assert_int_equal(f.pages.n_dirty, 9);
	assert_ok(table_cache_snapshot_dirty(&f.pages, &copies));
	assert_int_equal(copies.n, 9);
	assert_int_equal(copies.file_off[8], 64 * PAGE);
	dirty_snapshot_fini(&copies);
	tear_down(&f);
}

static void offsets_count_from_the_base(void **state)
{
	struct dirty_snapshot copies;
	struct fixture f;
	struct table_page *page;

	(void)state;
	set_up(&f);
	table_cache_fini(&f.pages);
	mem_file_poke(&f.file, "here", 4, 12345 + PAGE);
	assert_ok(table_cache_init(&f.pages, f.io, 12345, PAGE, 8, NULL, NULL));
	page = get(&f, 1);
	assert_memory_equal(page->data, "here", 4);
	assert_ok(table_cache_mark_dirty(&f.pages, page));
	memcpy(page->data, "HERE", 4);
	assert_ok(table_cache_snapshot_dirty(&f.pages, &copies));
	assert_ok(dirty_snapshot_write(&copies, f.io));
	dirty_snapshot_fini(&copies);
	mem_file_peek(&f.file, page->data, 5, 12344 + PAGE);
	assert_memory_equal(page->data, "\0HERE", 5);
	tear_down(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_are_kept_than_said),
		cmocka_unit_test(what_waits_to_be_written_stays),
		cmocka_unit_test(what_is_being_written_stays_until_it_is),
		cmocka_unit_test(
			what_was_taken_again_stays_until_the_last_is_in_its_place),
		cmocka_unit_test(what_is_used_all_the_time_stays),
		cmocka_unit_test(a_page_is_changed_only_when_it_has_room),
		cmocka_unit_test(copies_that_are_put_back_are_dirty_again),
		cmocka_unit_test(offsets_count_from_the_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
