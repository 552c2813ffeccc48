/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Differences between the disks of two chains. */
#include "unit/mem-chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "chain/difference.h"
#include "unit/disks.h"

enum { SECTOR = 512, DISK = 4 << 20 };

/* Marks each sector that the comparison reports, and checks its contents. */
struct marks {
	const struct model *a, *b;
	bool sector[DISK / SECTOR];
};

static int mark(void *arg, const struct difference *d)
{
	struct marks *marks = arg;

	assert_int_equal(d->off % SECTOR, 0);
	assert_int_equal(d->len % SECTOR, 0);
	assert_memory_equal(d->a, marks->a->bytes + d->off, d->len);
	assert_memory_equal(d->b, marks->b->bytes + d->off, d->len);
	for (uint64_t i = 0; i < d->len / SECTOR; i++)
		marks->sector[d->off / SECTOR + i] = true;
	return 0;
}

static void check_marks(const struct marks *marks)
{
	for (uint64_t i = 0; i < DISK / SECTOR; i++)
		assert_int_equal(marks->sector[i],
				 memcmp(marks->a->bytes + i * SECTOR,
					marks->b->bytes + i * SECTOR,
					SECTOR) != 0);
}

/* Opens all that the comparison needs; random contents in the parent, which
 * both children show. */
static void siblings_setup(struct mem_chain *f, const struct image_ops *format,
			   struct model *model, uint64_t *seed)
{
	struct chain *base;

	mem_chain_init(f);
	mem_chain_make_three(f, format);
	base = mem_chain_open(f, "masters/base", CHAIN_WRITABLE);
	model_init(model, DISK);
	model_exercise(model, base, seed, 40);
	assert_ok(chain_close(base));
	mem_chain_make_child(f, format, CHILD, BASE, "../masters/base");
	mem_chain_make_child(f, format, GRANDCHILD, BASE, "../../masters/base");
}

static void differing_sectors_are_reported_and_no_others(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct mem_chain f;
		struct model a, b;
		struct chain *chain_a, *chain_b;
		struct marks marks = { .a = &a, .b = &b };

		siblings_setup(&f, *format, &a, &seed);
		b = model_copy(&a);
		chain_a = mem_chain_open(&f, "clients/child", CHAIN_WRITABLE);
		chain_b = mem_chain_open(&f, "clients/deep/grandchild",
					 CHAIN_WRITABLE);
		model_exercise(&a, chain_a, &seed, 15);
		model_exercise(&b, chain_b, &seed, 15);
		assert_ok(chain_differences(chain_a, chain_b, 0, DISK, mark,
					    &marks));
		check_marks(&marks);
		assert_ok(chain_close(chain_a));
		assert_ok(chain_close(chain_b));
		model_fini(&a);
		model_fini(&b);
		mem_chain_fini(&f);
	}
}

static int first_offset(void *arg, const struct difference *d)
{
	*(uint64_t *)arg = d->off;
	return 7;
}

/* The larger disk has data beyond the end of the smaller one. */
static void disk_is_zero_beyond_its_end(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct image_params large = { .type = IMAGE_DYNAMIC,
					      .size = DISK + M };
		struct mem_chain f;
		struct chain *a, *b;
		uint64_t off = 0;

		mem_chain_init(&f);
		mem_chain_make_three(&f, *format);
		mem_chain_make(&f.files[CHILD], *format, &large);
		a = mem_chain_open(&f, "masters/base", 0);
		b = mem_chain_open(&f, "clients/child", CHAIN_WRITABLE);
		assert_ok(chain_differences(a, b, 0, DISK + M, first_offset,
					    &off));
		assert_ok(chain_write(b, "x", DISK + 5 * SECTOR + 1, 1));
		assert_int_equal(chain_differences(a, b, 0, DISK + M,
						   first_offset, &off),
				 7);
		assert_int_equal(off, DISK + 5 * SECTOR);
		assert_int_equal(chain_differences(b, a, 0, DISK + M,
						   first_offset, &off),
				 7);
		assert_int_equal(off, DISK + 5 * SECTOR);
		assert_int_equal(
			chain_differences(b, a, 0, DISK, first_offset, &off),
			0);
		assert_ok(chain_close(a));
		assert_ok(chain_close(b));
		mem_chain_fini(&f);
	}
}

static void data_of_a_common_parent_is_not_read(void **state)
{
	uint64_t seed = seed_from_environment();

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct mem_chain f;
		struct model model;
		struct chain *a, *b;
		uint64_t off;

		siblings_setup(&f, *format, &model, &seed);
		a = mem_chain_open(&f, "clients/child", 0);
		b = mem_chain_open(&f, "clients/deep/grandchild", 0);
		/* The first comparison reads the tables. */
		assert_ok(chain_differences(a, b, 0, DISK, first_offset, &off));
		mem_file_reset_counters(&f.files[BASE]);
		assert_ok(chain_differences(a, b, 0, DISK, first_offset, &off));
		assert_int_equal(f.files[BASE].n_pread, 0);
		assert_ok(chain_close(a));
		assert_ok(chain_close(b));
		model_fini(&model);
		mem_chain_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(differing_sectors_are_reported_and_no_others),
		cmocka_unit_test(disk_is_zero_beyond_its_end),
		cmocka_unit_test(data_of_a_common_parent_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
