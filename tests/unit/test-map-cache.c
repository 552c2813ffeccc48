/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The cached block map of merged parents, over fake images with random maps,
 * which count the calls of map.
 */
#include "unit/unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/map-cache.h"
#include "chain/chain-map.h"
#include "unit/io-mem.h"

enum {
	SECTOR = 512,
	IMAGES = 3,
	COARSE = 2 << 20,
};

/* An image whose map is a sequence of runs of random kind. */
struct fake {
	struct image img;
	uint64_t seed;
	uint64_t run;       /* length of a run, bytes */
	atomic_uint n_map;  /* calls of map */
	int error;          /* map fails with it ... */
	uint64_t error_end; /* ... before this offset; 0: everywhere */
};

struct fixture {
	struct mem_file file;
	struct fake fakes[IMAGES];
	struct image *images[IMAGES];
	struct map_cache *map;
};

static enum extent_kind kind_at(const struct fake *fake, uint64_t off)
{
	uint64_t state = fake->seed + off / fake->run;
	uint64_t number = random_next(&state) % 4;

	if (number < 2 && fake->img.type == IMAGE_DIFFERENCING)
		return EXTENT_PARENT;
	return number == 2 ? EXTENT_ZERO : EXTENT_STORED;
}

static int fake_map(struct image *img, uint64_t off, uint64_t len,
		    struct extent *ret)
{
	struct fake *fake = (struct fake *)img;

	atomic_fetch_add(&fake->n_map, 1);
	if (fake->error && (!fake->error_end || off < fake->error_end))
		return fail(fake->error, "as the test says");
	ret->kind = kind_at(fake, off);
	ret->len = min_u64(len, fake->run - off % fake->run);
	/* Adjacent runs are not adjacent in the file. */
	ret->file_off = off + off / fake->run * SECTOR;
	return 0;
}

static const struct image_ops fake_ops = { .name = "fake", .map = fake_map };

static void setup_of(struct fixture *f, uint64_t size, uint64_t seed,
		     const uint64_t *runs)
{
	memset(f, 0, sizeof *f);
	mem_file_init(&f->file);
	for (int i = 0; i < IMAGES; i++) {
		struct fake *fake = &f->fakes[i];
		struct io *io;

		assert_ok(io_mem_open(&f->file, "fake", false, &io));
		assert_ok(image_init(&fake->img, &fake_ops, io));
		fake->img.size = size;
		fake->img.sector_size = SECTOR;
		fake->img.type =
			i < IMAGES - 1 ? IMAGE_DIFFERENCING : IMAGE_DYNAMIC;
		fake->seed = seed + i;
		fake->run = runs[i];
		f->images[i] = &fake->img;
	}
	assert_ok(map_cache_new(f->images, IMAGES, &f->map));
}

static void teardown_of(struct fixture *f)
{
	map_cache_free(f->map);
	for (int i = 0; i < IMAGES; i++)
		image_fini(f->images[i]);
	mem_file_fini(&f->file);
}

static unsigned n_map(const struct fixture *f)
{
	unsigned n = 0;

	for (int i = 0; i < IMAGES; i++)
		n += atomic_load(&f->fakes[i].n_map);
	return n;
}

/* The cache and the images return the same map of a range. */
static void agrees(struct fixture *f, uint64_t off, uint64_t len)
{
	struct chain_extent map;
	struct chain_extent e;
	uint64_t done;

	assert_ok(map_cache_lookup(f->map, off, len, &map));
	assert_in_range(map.len, 1, len);
	for (done = 0; done < map.len; done += e.len) {
		assert_ok(chain_map_layers(f->images, IMAGES, off + done,
					   map.len - done, &e));
		assert_ptr_equal(map.io, e.io);
		if (e.io)
			assert_int_equal(map.file_off + done, e.file_off);
	}
	assert_int_equal(done, map.len);
}

static const uint64_t coarse_runs[] = { COARSE, 2 * COARSE, 4 * COARSE };
static const uint64_t fine_runs[] = { 4096, 12288, COARSE };
static const uint64_t odd_runs[] = { SECTOR, 3 * SECTOR, 40960 };

static void second_lookup_maps_no_image(void **state)
{
	static const uint64_t *const runs[] = { coarse_runs, fine_runs };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fixture f;
		struct chain_extent e;
		unsigned before;

		setup_of(&f, 8 * COARSE, 7, runs[i]);
		for (uint64_t off = 0; off < 8 * COARSE; off += e.len)
			assert_ok(map_cache_lookup(f.map, off, 8 * COARSE - off,
						   &e));
		before = n_map(&f);
		assert_true(before > 0);
		for (uint64_t off = 0; off < 8 * COARSE; off += 65536)
			assert_ok(map_cache_lookup(f.map, off, 65536, &e));
		assert_int_equal(n_map(&f), before);
		teardown_of(&f);
	}
}

static void lookup_equals_the_map_of_the_images(void **state)
{
	static const uint64_t *const runs[] = { coarse_runs, fine_runs,
						odd_runs };
	uint64_t seed = seed_from_environment();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fixture f;
		/* The disk ends inside an entry of each level. */
		uint64_t size = 5 * COARSE + 9 * 4096 + 3 * SECTOR;

		setup_of(&f, size, random_next(&seed), runs[i]);
		for (int n = 0; n < 3000; n++) {
			uint64_t off = random_upto(&seed, size - 1);

			agrees(&f, off, 1 + random_upto(&seed, size - off - 1));
		}
		teardown_of(&f);
	}
}

/* The second disk ends first, then the third, then the first. */
static void range_beyond_a_parents_end_reads_as_zeros(void **state)
{
	static const uint64_t *const runs[] = { coarse_runs, fine_runs,
						odd_runs };
	uint64_t seed = seed_from_environment();

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fixture f;
		uint64_t size = 4 * COARSE + 5 * 4096 + 3 * SECTOR;
		uint64_t end = 2 * COARSE;

		setup_of(&f, size, random_next(&seed), runs[i]);
		f.fakes[1].img.size = COARSE + 4096 + SECTOR;
		f.fakes[2].img.size = 3 * COARSE;
		for (int n = 0; n < 3000; n++) {
			uint64_t off = random_upto(&seed, size + end - 1);

			agrees(&f, off,
			       1 + random_upto(&seed, size + end - off - 1));
		}
		teardown_of(&f);
	}
}

/* A disk of 3 TiB has more extents than the cache has pages for. */
static void disk_with_more_extents_than_cached_maps_correctly(void **state)
{
	uint64_t size = TIB(3), step = size / 3000;
	struct fixture f;

	(void)state;
	setup_of(&f, size, 3, fine_runs);
	for (int pass = 0; pass < 2; pass++)
		for (uint64_t off = 0; off + 65536 < size; off += step)
			agrees(&f, off, 65536);
	teardown_of(&f);
}

static void error_is_not_cached(void **state)
{
	struct chain_extent e;
	struct fixture f;

	(void)state;
	setup_of(&f, 8 * COARSE, 5, fine_runs);
	f.fakes[0].error = -EBADMSG;
	assert_errno(map_cache_lookup(f.map, 4096, 4096, &e), -EBADMSG);
	f.fakes[0].error = 0;
	agrees(&f, 4096, 4096);
	teardown_of(&f);
}

/* An error further on belongs to the next call. */
static void extent_ends_before_an_invalid_table_entry(void **state)
{
	struct chain_extent e;
	struct fixture f;

	(void)state;
	setup_of(&f, 8 * COARSE, 5, coarse_runs);
	assert_ok(map_cache_lookup(f.map, COARSE - 4096, 4096, &e));
	f.fakes[0].error = -EBADMSG;
	assert_ok(map_cache_lookup(f.map, COARSE - 4096, 8192, &e));
	assert_int_equal(e.len, 4096);
	assert_errno(map_cache_lookup(f.map, COARSE, 4096, &e), -EBADMSG);
	teardown_of(&f);
}

static void error_at_one_offset_does_not_affect_others(void **state)
{
	struct chain_extent e;
	struct fixture f;

	(void)state;
	setup_of(&f, 8 * COARSE, 5, fine_runs);
	f.fakes[0].error = -EBADMSG;
	f.fakes[0].error_end = COARSE / 2;
	agrees(&f, COARSE / 2, COARSE / 2);
	assert_errno(map_cache_lookup(f.map, 0, 4096, &e), -EBADMSG);
	agrees(&f, COARSE / 2, COARSE / 2);
	teardown_of(&f);
}

static void *look_up(void *arg)
{
	struct fixture *f = arg;
	uint64_t numbers = (uintptr_t)pthread_self();

	for (int n = 0; n < 2000; n++) {
		uint64_t off = random_upto(&numbers, 8 * COARSE - 65536);

		agrees(f, off, 65536);
	}
	return NULL;
}

static void concurrent_lookups_are_correct(void **state)
{
	pthread_t threads[4];
	struct fixture f;

	(void)state;
	setup_of(&f, 8 * COARSE, seed_from_environment(), fine_runs);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_up, &f),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	teardown_of(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(second_lookup_maps_no_image),
		cmocka_unit_test(lookup_equals_the_map_of_the_images),
		cmocka_unit_test(range_beyond_a_parents_end_reads_as_zeros),
		cmocka_unit_test(
			disk_with_more_extents_than_cached_maps_correctly),
		cmocka_unit_test(error_is_not_cached),
		cmocka_unit_test(extent_ends_before_an_invalid_table_entry),
		cmocka_unit_test(error_at_one_offset_does_not_affect_others),
		cmocka_unit_test(concurrent_lookups_are_correct),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
