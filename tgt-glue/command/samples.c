/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Samples of sizes: the file, a sample of all images, and the pace. */
#include "config.h"

#include "tgt-glue/command/samples.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/base/textfile.h"
#include "tgt-glue/reconcile/space.h"

#define FILE_ENDING ".samples"
#define STORE "store"

enum { DAY = 86400 };

/* The shard beside whose targets-file the file is, or null. */
static const struct shard *first_shard(const struct fleet *fleet)
{
	return fleet->n_shards ? &fleet->shards[0] : NULL;
}

static struct series *add_series(struct samples *samples, const char *image)
{
	struct series *series = arena_alloc(&samples->arena, sizeof *series);

	series->image = arena_strdup(&samples->arena, image);
	samples->v = arena_grow(&samples->arena, samples->v, samples->n,
				sizeof *samples->v);
	samples->v[samples->n++] = series;
	return series;
}

/* The series, or null.  Images keep their order for the most part. */
static struct series *find(const struct samples *samples, const char *image,
			   size_t *hint)
{
	for (size_t i = 0; i < samples->n; i++) {
		const size_t at = (*hint + i) % samples->n;

		if (!strcmp(samples->v[at]->image, image)) {
			*hint = at + 1;
			return samples->v[at];
		}
	}
	return NULL;
}

/* Adds a sample, in the place of the oldest where the series is full. */
static void add(struct series *series, int64_t time, uint64_t bytes)
{
	if (series->n == SAMPLES_MAX)
		memmove(&series->v[0], &series->v[1],
			--series->n * sizeof series->v[0]);
	series->v[series->n].time = time;
	series->v[series->n++].bytes = bytes;
}

static void parse_line(struct samples *samples, const char *line)
{
	char image[1024];
	struct series *series;
	uint64_t bytes;
	int64_t time;
	int n = 0;

	if (sscanf(line, "%1023s%n", image, &n) != 1)
		return;
	series = add_series(samples, image);
	line += n;
	if (strcmp(image, STORE) != 0 &&
	    sscanf(line, " %" SCNu64 "%n", &series->inode, &n) == 1)
		line += n;
	for (;
	     sscanf(line, " %" SCNd64 " %" SCNu64 "%n", &time, &bytes, &n) == 2;
	     line += n)
		add(series, time, bytes);
}

int samples_load(const struct fleet *fleet, struct samples *ret)
{
	const struct shard *shard = first_shard(fleet);
	_cleanup_free_ char *text = NULL;
	char *rest;
	int r;

	memset(ret, 0, sizeof *ret);
	if (!shard)
		return 0;
	r = shard_file_read(shard, FILE_ENDING, &text);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n"));)
		parse_line(ret, line);
	return r;
}

static int save(const struct samples *samples, const struct fleet *fleet)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = text_open(&text, &size);
	int r;

	for (size_t i = 0; i < samples->n; i++) {
		const struct series *series = samples->v[i];

		fputs(series->image, f);
		if (series->inode)
			fprintf(f, " %" PRIu64, series->inode);
		for (size_t k = 0; k < series->n; k++)
			fprintf(f, " %" PRId64 " %" PRIu64, series->v[k].time,
				series->v[k].bytes);
		fputc('\n', f);
	}
	text_close(f);
	r = shard_file_write(first_shard(fleet), FILE_ENDING, text, 0600);
	return r < 0 ? r : 0;
}

/* Adds the samples before, and one of now; none of another file, and none of
 * the future, which is from before the clock was set. */
static void go_on(struct samples *next, const struct series *before,
		  const char *image, uint64_t inode, uint64_t bytes,
		  int64_t now)
{
	struct series *series = add_series(next, image);

	series->inode = inode;
	for (size_t i = 0; before && before->inode == inode && i < before->n;
	     i++)
		if (before->v[i].time < now)
			add(series, before->v[i].time, before->v[i].bytes);
	add(series, now, bytes);
}

static bool is_due(const struct samples *samples, int64_t now)
{
	const struct series *store = samples->n ? samples->v[0] : NULL;
	int64_t last;

	if (!store || !store->n)
		return true;
	last = store->v[store->n - 1].time;
	return now < last || now >= last + SAMPLE_SECONDS;
}

int samples_take(struct samples *samples, const struct fleet *fleet,
		 int64_t now)
{
	struct samples next = { 0 };
	struct free_space space;
	size_t hint = 0;

	if (!first_shard(fleet) || !is_due(samples, now))
		return 0;
	free_space_read(fleet, &space);
	go_on(&next, find(samples, STORE, &hint), STORE, 0, space.free, now);
	for (size_t i = 0; i < fleet->n_disks; i++) {
		const char *image = fleet->disks[i].child;
		struct stat st;

		/* The file has no form for a name with a space. */
		if (image && !strchr(image, ' ') &&
		    fleet_stat(fleet, image, &st) == 0)
			go_on(&next, find(samples, image, &hint), image,
			      st.st_ino, (uint64_t)st.st_blocks * 512, now);
	}
	samples_fini(samples);
	*samples = next;
	return save(samples, fleet);
}

void samples_fini(struct samples *samples)
{
	arena_fini(&samples->arena);
	memset(samples, 0, sizeof *samples);
}

/* The change since the oldest sample, in bytes a day. */
static double pace(const struct series *series, uint64_t bytes, int64_t now)
{
	int64_t age;

	if (!series || !series->n)
		return NAN;
	age = now - series->v[0].time;
	if (age < SAMPLE_AGE_MIN)
		return NAN;
	return ((double)bytes - (double)series->v[0].bytes) * DAY / (double)age;
}

double samples_growth(const struct samples *samples, const char *image,
		      const struct stat *st, int64_t now, size_t *hint)
{
	const struct series *series = find(samples, image, hint);

	return series && series->inode == st->st_ino
		       ? pace(series, (uint64_t)st->st_blocks * 512, now)
		       : NAN;
}

double samples_days_until_full(const struct samples *samples, uint64_t free,
			       int64_t now)
{
	size_t hint = 0;
	const double change = pace(find(samples, STORE, &hint), free, now);

	return change < 0 ? (double)free / -change : NAN;
}
