/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rebase: a leaf gets another parent, or none, and shows what it showed. */
#include "unit/mem-chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "chain/rebase-room.h"
#include "chain/rebase.h"
#include "format/vhdx-internal.h"
#include "unit/disks.h"

enum { DISK = 4 << 20 };

/* masters/base is the old parent of clients/deep/grandchild, clients/child the
 * new one. */
struct family {
	struct mem_chain f;
	const struct image_ops *format;
	struct model old, new, leaf;
};

static void write_random(struct family *family, const char *path,
			 struct model *model, uint64_t *seed, unsigned steps)
{
	struct chain *chain = mem_chain_open(&family->f, path, CHAIN_WRITABLE);

	model_exercise(model, chain, seed, steps);
	assert_ok(chain_close(chain));
}

static void write_whole(struct family *family, const char *path,
			struct model *model, uint8_t byte)
{
	struct chain *chain = mem_chain_open(&family->f, path, CHAIN_WRITABLE);

	memset(model->bytes, byte, DISK);
	assert_ok(chain_write(chain, model->bytes, 0, DISK));
	assert_ok(chain_close(chain));
}

static void family_setup(struct family *family, const struct image_ops *format,
			 uint64_t *seed, uint32_t sector_size, unsigned steps)
{
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = DISK,
				       .sector_size = sector_size };
	struct mem_chain *f = &family->f;

	family->format = format;
	mem_chain_init(f);
	mem_chain_make_three(f, format);
	mem_chain_make(&f->files[BASE], format, &params);
	model_init(&family->old, DISK);
	write_whole(family, "masters/base", &family->old, 'o');
	write_random(family, "masters/base", &family->old, seed, 40);
	mem_file_copy(&f->files[CHILD], &f->files[BASE]);
	family->new = model_copy(&family->old);
	family->leaf = model_copy(&family->old);
	mem_chain_make_child(f, format, GRANDCHILD, BASE, "../../masters/base");
	write_random(family, "clients/deep/grandchild", &family->leaf, seed,
		     steps);
}

static void family_teardown(struct family *family)
{
	model_fini(&family->old);
	model_fini(&family->new);
	model_fini(&family->leaf);
	mem_chain_fini(&family->f);
}

static void last_progress(void *arg, uint64_t done)
{
	*(uint64_t *)arg = done;
}

/* Rebases the leaf to clients/child. */
static void rebase(struct family *family)
{
	struct mem_chain *f = &family->f;
	struct chain *leaf =
		mem_chain_open(f, "clients/deep/grandchild", CHAIN_WRITABLE);
	struct chain *parent = mem_chain_open(f, "clients/child", 0);
	struct image_params params = {
		.parent = chain_leaf(parent),
		.parent_relative = "../child",
		.parent_absolute = "/clients/child",
	};
	uint64_t done = 0, copied;

	assert_ok(
		chain_rebase_copy(leaf, parent, &copied, last_progress, &done));
	assert_int_equal(done, DISK);
	model_compare(&family->leaf, leaf);
	assert_ok(image_set_parent(chain_leaf(leaf), &params));
	assert_ok(chain_close(leaf));
	assert_ok(chain_close(parent));
}

static void expect_rebased(struct family *family)
{
	struct mem_chain *f = &family->f;
	struct chain *leaf = mem_chain_open(f, "clients/deep/grandchild", 0);

	assert_string_equal(chain_path(leaf, 1), "clients/child");
	model_compare(&family->leaf, leaf);
	assert_ok(chain_close(leaf));
}

static void leaf_shows_the_same_on_another_parent(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		for (uint32_t sector_size = 512; sector_size <= 4096;
		     sector_size *= 8) {
			struct family family;

			if ((*format)->only_sector_size &&
			    (*format)->only_sector_size != sector_size)
				continue;
			family_setup(&family, *format, &seed, sector_size, 15);
			write_random(&family, "clients/child", &family.new,
				     &seed, 15);
			rebase(&family);
			expect_rebased(&family);
			family_teardown(&family);
		}
	}
}

/* Opens the leaf for writing and its new parent. */
static void open_both(struct family *family, struct chain **ret_leaf,
		      struct chain **ret_parent)
{
	*ret_leaf = mem_chain_open(&family->f, "clients/deep/grandchild",
				   CHAIN_WRITABLE);
	*ret_parent = mem_chain_open(&family->f, "clients/child", 0);
}

static void equal_parent_copies_nothing(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct family family;
		struct mem_file *file = &family.f.files[GRANDCHILD];
		struct chain *leaf, *parent;
		uint64_t copied;

		family_setup(&family, *format, &seed, 512, 15);
		open_both(&family, &leaf, &parent);
		mem_file_reset_counters(file);
		assert_ok(chain_rebase_copy(leaf, parent, &copied, NULL, NULL));
		assert_int_equal(copied, 0);
		assert_int_equal(file->n_pwrite, 0);
		assert_int_equal(file->n_resize, 0);
		assert_ok(chain_close(leaf));
		assert_ok(chain_close(parent));
		family_teardown(&family);
	}
}

/* A full disk leaves a leaf on its old parent that shows what it showed; the
 * next attempt copies only the rest. */
static void failed_copy_changes_nothing_that_is_shown(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct family family;
		struct mem_file *file = &family.f.files[GRANDCHILD];
		struct chain *leaf, *parent;
		uint64_t first, rest, whole = 0;

		family_setup(&family, *format, &seed, 512, 0);
		write_whole(&family, "clients/child", &family.new, 'n');
		for (size_t i = 0; i < DISK; i += 512)
			if (memcmp(family.leaf.bytes + i, family.new.bytes + i,
				   512) != 0)
				whole += 512;
		open_both(&family, &leaf, &parent);
		file->room = mem_file_used(file) + 300;
		assert_errno(
			chain_rebase_copy(leaf, parent, &first, NULL, NULL),
			-ENOSPC);
		file->room = 0;
		model_compare(&family.leaf, leaf);
		assert_ok(chain_close(leaf));
		assert_ok(chain_close(parent));
		leaf = mem_chain_open(&family.f, "clients/deep/grandchild", 0);
		assert_string_equal(chain_path(leaf, 1), "masters/base");
		model_compare(&family.leaf, leaf);
		assert_ok(chain_close(leaf));
		open_both(&family, &leaf, &parent);
		assert_ok(chain_rebase_copy(leaf, parent, &rest, NULL, NULL));
		assert_true(first + rest <= whole);
		assert_ok(chain_close(leaf));
		assert_ok(chain_close(parent));
		rebase(&family);
		expect_rebased(&family);
		family_teardown(&family);
	}
}

/* Completes the leaf, and makes it a dynamic image. */
static void remove_parents(struct family *family, uint64_t *ret_copied)
{
	struct chain *leaf = mem_chain_open(
		&family->f, "clients/deep/grandchild", CHAIN_WRITABLE);
	uint64_t done = 0;

	chain_leaf(leaf)->keeps_id = true;
	assert_ok(chain_complete(leaf, ret_copied, last_progress, &done));
	assert_int_equal(done, DISK);
	model_compare(&family->leaf, leaf);
	assert_ok(image_remove_parent(chain_leaf(leaf)));
	assert_ok(chain_close(leaf));
}

static void leaf_shows_the_same_without_parents(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		for (uint32_t sector_size = 512; sector_size <= 4096;
		     sector_size *= 8) {
			struct family family;
			struct chain *leaf;
			uint64_t copied;

			if ((*format)->only_sector_size &&
			    (*format)->only_sector_size != sector_size)
				continue;
			family_setup(&family, *format, &seed, sector_size, 15);
			remove_parents(&family, &copied);
			leaf = mem_chain_open(&family.f,
					      "clients/deep/grandchild",
					      CHAIN_WRITABLE);
			assert_int_equal(chain_leaf(leaf)->type, IMAGE_DYNAMIC);
			model_compare(&family.leaf, leaf);
			model_compare_map(&family.leaf, leaf);
			model_exercise(&family.leaf, leaf, &seed, 30);
			model_compare(&family.leaf, leaf);
			assert_ok(chain_close(leaf));
			family_teardown(&family);
		}
	}
}

/* Neither blocks of zeros nor the zeros of a block that the leaf has allocated
 * take space; headers, the table and the log may take some pages. */
static void zeros_take_no_space_without_parents(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct mem_file *file;
		struct family family;
		struct chain *leaf;
		uint64_t copied, used;

		family_setup(&family, *format, &seed, 512, 0);
		file = &family.f.files[GRANDCHILD];
		write_whole(&family, "masters/base", &family.old, 0);
		memcpy(family.leaf.bytes, family.old.bytes, DISK);
		mem_chain_make_child(&family.f, *format, GRANDCHILD, BASE,
				     "../../masters/base");
		leaf = mem_chain_open(&family.f, "clients/deep/grandchild",
				      CHAIN_WRITABLE);
		memset(family.leaf.bytes + 5 * 512, 'x', 512);
		assert_ok(chain_write(leaf, family.leaf.bytes + 5 * 512,
				      5 * 512, 512));
		assert_ok(chain_close(leaf));
		used = mem_file_used(file);
		remove_parents(&family, &copied);
		assert_int_equal(copied, 0);
		assert_true(mem_file_used(file) <= used + 16);
		family_teardown(&family);
	}
}

static void write_at(struct mem_chain *f, const char *path, uint64_t off,
		     uint8_t byte)
{
	struct chain *chain = mem_chain_open(f, path, CHAIN_WRITABLE);
	uint8_t buf[512];

	chain_leaf(chain)->keeps_id = true;
	memset(buf, byte, sizeof buf);
	assert_ok(chain_write(chain, buf, off, sizeof buf));
	assert_ok(chain_close(chain));
}

static void expect_at(struct chain *chain, uint64_t off, uint8_t byte)
{
	uint8_t buf[512], expected[512];

	memset(expected, byte, sizeof expected);
	assert_ok(chain_read(chain, buf, off, sizeof buf));
	assert_memory_equal(buf, expected, sizeof buf);
}

/* No BAT entry of a sector bitmap is left, also not the last one, which the BAT
 * of a dynamic image does not have. */
static void expect_no_bitmaps(struct image *img)
{
	struct vhdx *v = vhdx_of(img);
	uint64_t chunks = div_up(v->n_blocks, v->chunk_ratio), entry;

	for (uint64_t i = 0; i < chunks; i++) {
		uint64_t index = vhdx_bitmap_index(v, i * v->chunk_ratio);

		assert_ok(
			vhdx_read_tables(v, &entry, sizeof entry,
					 v->bat.off + index * VHDX_BAT_ENTRY));
		assert_int_equal(entry, 0);
	}
}

static void no_finding(struct check *check, const struct finding *finding)
{
	(void)check;
	print_error("%s: expected %s, found %s\n", finding->structure,
		    finding->expected, finding->found);
	_fail(__FILE__, __LINE__);
}

/* A bitmap covers 4 GiB. */
static void vhdx_loses_all_its_bitmaps(void **state)
{
	static const uint64_t places[] = { 0, GIB(5), GIB(9) - 2048 };
	struct image_params params = { .type = IMAGE_DYNAMIC, .size = GIB(9) };
	struct check check = { .report = no_finding };
	struct chain *chain;
	struct mem_chain f;
	uint64_t copied;
	struct io *io;

	(void)state;
	mem_chain_init(&f);
	mem_chain_make_three(&f, &vhdx_ops);
	mem_chain_make(&f.files[BASE], &vhdx_ops, &params);
	for (size_t i = 0; i < 3; i++)
		write_at(&f, "masters/base", places[i] / MIB(2) * MIB(2), 'b');
	mem_chain_make_child(&f, &vhdx_ops, CHILD, BASE, "../masters/base");
	for (size_t i = 0; i < 3; i++)
		write_at(&f, "clients/child", places[i] | 1024, 'c');
	chain = mem_chain_open(&f, "clients/child", CHAIN_WRITABLE);
	assert_ok(chain_complete(chain, &copied, NULL, NULL));
	assert_ok(image_remove_parent(chain_leaf(chain)));
	assert_ok(chain_close(chain));
	chain = mem_chain_open(&f, "clients/child", 0);
	expect_no_bitmaps(chain_leaf(chain));
	for (size_t i = 0; i < 3; i++) {
		expect_at(chain, places[i] / MIB(2) * MIB(2), 'b');
		expect_at(chain, places[i] | 1024, 'c');
	}
	assert_ok(chain_close(chain));
	assert_ok(io_mem_open(&f.files[CHILD], "child", false, &io));
	assert_ok(vhdx_ops.check(io, &check));
	io_close(io);
	mem_chain_fini(&f);
}

/* The room that is counted covers what the copy takes, and maps alone say no
 * less. */
static void counted_room_covers_the_copy(void **state)
{
	enum { UNIT = MEM_PAGE, BESIDES = 256 << 10 };
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct family family;
		struct mem_file *file = &family.f.files[GRANDCHILD];
		uint64_t most, room, copied, before, taken;
		struct chain *leaf, *parent;

		family_setup(&family, *format, &seed, 512, 3);
		write_random(&family, "clients/child", &family.new, &seed, 15);
		open_both(&family, &leaf, &parent);
		before = mem_file_used(file);
		assert_ok(chain_rebase_room(leaf, parent, UNIT, false, &most,
					    NULL, NULL));
		assert_ok(chain_rebase_room(leaf, parent, UNIT, true, &room,
					    NULL, NULL));
		assert_int_equal(mem_file_used(file), before);
		assert_ok(chain_rebase_copy(leaf, parent, &copied, NULL, NULL));
		assert_ok(chain_flush(leaf));
		taken = (mem_file_used(file) - before) * MEM_PAGE;
		assert_true(copied > 0 && room > 0);
		assert_true(taken <= room + BESIDES);
		assert_true(room <= most);
		assert_true(room <= copied * 3 + BESIDES);
		assert_ok(chain_rebase_room(leaf, parent, UNIT, true, &room,
					    NULL, NULL));
		assert_int_equal(room, 0);
		assert_ok(chain_close(leaf));
		assert_ok(chain_close(parent));
		family_teardown(&family);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaf_shows_the_same_on_another_parent),
		cmocka_unit_test(equal_parent_copies_nothing),
		cmocka_unit_test(failed_copy_changes_nothing_that_is_shown),
		cmocka_unit_test(leaf_shows_the_same_without_parents),
		cmocka_unit_test(zeros_take_no_space_without_parents),
		cmocka_unit_test(vhdx_loses_all_its_bitmaps),
		cmocka_unit_test(counted_room_covers_the_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
