/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the samples of sizes, with a clock of the test's own. */
#include "config.h"

#include "unit/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tgt-glue/base/textfile.h"
#include "tgt-glue/command/samples.h"

enum { NOW = 1800000000, DAY = 86400 };

/* A fleet of one image, whose store is the scratch directory. */
struct scene {
	struct shard shard;
	struct fleet fleet;
	struct disk disk;
	struct samples samples;
	char image[300], file[300];
};

static void write_image(const struct scene *s, size_t blocks)
{
	char block[4096] = "x";
	FILE *f = fopen(s->image, "w");

	assert_non_null(f);
	for (size_t i = 0; i < blocks; i++)
		assert_int_equal(fwrite(block, sizeof block, 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

static void scene_init(struct scene *s, void **state)
{
	const char *store = scratch_path(state, "");
	const char *targets = scratch_path(state, "targets");

	memset(s, 0, sizeof *s);
	snprintf(s->image, sizeof s->image, "%s/pc1.vhdx", store);
	snprintf(s->file, sizeof s->file, "%s.samples", targets);
	s->shard.targets_file = targets;
	s->disk.child = "pc1.vhdx";
	s->fleet = (struct fleet){ .store = store,
				   .shards = &s->shard,
				   .n_shards = 1,
				   .disks = &s->disk,
				   .n_disks = 1 };
	assert_int_equal(root_dir_init(&s->fleet.rootdir, store), 0);
	write_image(s, 1);
}

static void scene_fini(struct scene *s)
{
	samples_fini(&s->samples);
	root_dir_fini(&s->fleet.rootdir);
}

static void take(struct scene *s, int64_t when)
{
	assert_int_equal(samples_take(&s->samples, &s->fleet, when), 0);
}

static double growth(const struct scene *s, int64_t now)
{
	struct stat st;
	size_t hint = 0;

	assert_int_equal(stat(s->image, &st), 0);
	return samples_growth(&s->samples, "pc1.vhdx", &st, now, &hint);
}

static void sample_is_taken_once_an_hour(void **state)
{
	struct scene s;

	scene_init(&s, state);
	take(&s, NOW);
	take(&s, NOW + SAMPLE_SECONDS - 1);
	assert_int_equal(s.samples.n, 2);
	assert_int_equal(s.samples.v[1]->n, 1);
	take(&s, NOW + SAMPLE_SECONDS);
	assert_int_equal(s.samples.v[0]->n, 2);
	assert_int_equal(s.samples.v[1]->n, 2);
	scene_fini(&s);
}

static void samples_survive_the_program(void **state)
{
	struct samples loaded;
	struct scene s;

	scene_init(&s, state);
	take(&s, NOW);
	take(&s, NOW + DAY);
	assert_int_equal(samples_load(&s.fleet, &loaded), 0);
	assert_int_equal(loaded.n, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_string_equal(loaded.v[i]->image, s.samples.v[i]->image);
		assert_int_equal(loaded.v[i]->inode, s.samples.v[i]->inode);
		assert_int_equal(loaded.v[i]->n, 2);
		assert_memory_equal(loaded.v[i]->v, s.samples.v[i]->v,
				    2 * sizeof loaded.v[i]->v[0]);
	}
	samples_fini(&loaded);
	scene_fini(&s);
}

static void growth_is_since_the_oldest_sample(void **state)
{
	struct scene s;

	scene_init(&s, state);
	take(&s, NOW);
	write_image(&s, 11);
	assert_true(isnan(growth(&s, NOW + SAMPLE_AGE_MIN - 1)));
	assert_true(growth(&s, NOW + DAY / 2) == 2 * 10 * 4096);
	take(&s, NOW + DAY);
	assert_true(growth(&s, NOW + 2 * DAY) == 5 * 4096);
	scene_fini(&s);
}

static void another_file_begins_again(void **state)
{
	struct scene s;
	char new[310];

	scene_init(&s, state);
	take(&s, NOW);
	snprintf(new, sizeof new, "%s.new", s.image);
	assert_int_equal(rename(s.image, new), 0);
	write_image(&s, 100);
	assert_true(isnan(growth(&s, NOW + DAY)));
	take(&s, NOW + DAY);
	assert_int_equal(s.samples.v[1]->n, 1);
	assert_int_equal(s.samples.v[0]->n, 2);
	scene_fini(&s);
}

static void oldest_samples_are_dropped(void **state)
{
	struct scene s;

	scene_init(&s, state);
	for (int i = 0; i <= SAMPLES_MAX; i++)
		take(&s, NOW + i * SAMPLE_SECONDS);
	assert_int_equal(s.samples.v[1]->n, SAMPLES_MAX);
	assert_int_equal(s.samples.v[1]->v[0].time, NOW + SAMPLE_SECONDS);
	scene_fini(&s);
}

static void samples_of_the_future_are_dropped(void **state)
{
	struct scene s;

	scene_init(&s, state);
	take(&s, NOW);
	take(&s, NOW - DAY);
	assert_int_equal(s.samples.v[1]->n, 1);
	assert_int_equal(s.samples.v[1]->v[0].time, NOW - DAY);
	scene_fini(&s);
}

static void store_that_loses_half_a_day_is_full_in_one(void **state)
{
	struct scene s;

	scene_init(&s, state);
	take(&s, NOW);
	s.samples.v[0]->v[0].bytes = 3000;
	assert_true(samples_days_until_full(&s.samples, 1000, NOW + DAY) ==
		    0.5);
	assert_true(
		isnan(samples_days_until_full(&s.samples, 4000, NOW + DAY)));
	scene_fini(&s);
}

static void damaged_file_is_no_failure(void **state)
{
	struct scene s;

	scene_init(&s, state);
	assert_int_equal(textfile_write(s.file,
					"\n\nstore x\npc1.vhdx\nstore 1 2 3",
					0600, TEXTFILE_ANY_GROUP),
			 1);
	assert_int_equal(samples_load(&s.fleet, &s.samples), 0);
	take(&s, NOW);
	assert_int_equal(s.samples.n, 2);
	scene_fini(&s);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest samples[] = {
		TEST(sample_is_taken_once_an_hour),
		TEST(samples_survive_the_program),
		TEST(growth_is_since_the_oldest_sample),
		TEST(another_file_begins_again),
		TEST(oldest_samples_are_dropped),
		TEST(samples_of_the_future_are_dropped),
		TEST(store_that_loses_half_a_day_is_full_in_one),
		TEST(damaged_file_is_no_failure),
	};

	return cmocka_run_group_tests(samples, NULL, NULL);
}
