/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Judge: see judge.h. */
#include "config.h"

#include "crash/judge.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"

enum { NEW_WRITES = 4 };

/* The tag of writes after the crash. */
#define NEW_TAG (UINT64_C(1) << 60)

/* One state under judgement, and the tags of its sectors. */
struct trial {
	struct judge *judge;
	struct world *world;
	size_t n;
	uint64_t *tags;
	/* The content after the power cut; null tags before the first read. */
	struct snapshot crashed;
	bool *rewritten; /* sectors that may hold NEW_TAG */
};

static void trial_init(struct trial *t, struct judge *judge, size_t n)
{
	*t = (struct trial){ .judge = judge, .world = judge->world, .n = n };
	t->tags = calloc(t->world->n_sectors, sizeof *t->tags);
	t->rewritten = calloc(t->world->n_sectors, sizeof *t->rewritten);
	assert_non_null(t->tags);
	assert_non_null(t->rewritten);
}

static void trial_fini(struct trial *t)
{
	free(t->tags);
	free(t->rewritten);
	free(t->crashed.tags);
}

/* A child of an earlier open, or of the state after the crash, would show
 * unchanged content, or not open. */
static void expect_no_mixture(struct trial *t, const struct image *leaf)
{
	struct world *world = t->world;
	size_t size = world->n_sectors * sizeof *t->tags;

	world_expect_no_mixture(world, t->n, &leaf->id, t->tags);
	if (t->crashed.tags) {
		world_expect_snapshot(world, &t->crashed, &leaf->id, t->tags);
		return;
	}
	t->crashed.id = leaf->id;
	t->crashed.tags = malloc(size);
	assert_non_null(t->crashed.tags);
	memcpy(t->crashed.tags, t->tags, size);
}

/* Reads the disk into tags; each tag is allowed. */
static void expect_allowed(struct trial *t, struct chain *chain)
{
	struct world *world = t->world;

	world_read(world, chain, t->tags);
	for (uint64_t s = 0; s < world->n_sectors; s++) {
		if (world_allows(world, s, t->tags[s], t->n) ||
		    (t->rewritten[s] && t->tags[s] == NEW_TAG))
			continue;
		print_error("sector %" PRIu64 " holds tag %" PRIx64
			    ", which is not allowed; allowed are:\n",
			    s, t->tags[s]);
		world_explain(world, s, t->n);
		_fail(__FILE__, __LINE__);
	}
	expect_no_mixture(t, chain_leaf(chain));
}

/* The disk's content is still tags. */
static void expect_same(struct trial *t, struct chain *chain)
{
	struct world *world = t->world;
	uint64_t *now = calloc(world->n_sectors, sizeof *now);

	assert_non_null(now);
	world_read(world, chain, now);
	for (uint64_t s = 0; s < world->n_sectors; s++)
		if (now[s] != t->tags[s]) {
			print_error("sector %" PRIu64 ": expected tag %" PRIx64
				    ", as before, found %" PRIx64 "\n",
				    s, t->tags[s], now[s]);
			_fail(__FILE__, __LINE__);
		}
	free(now);
}

static void open_or_fail(struct trial *t, struct visit *visit,
			 rootdir_mem_open *open, void *file, bool writable)
{
	int r = visit_open(t->world, visit, open, file, writable);

	if (r == 0)
		return;
	print_error(
		"expected an image that opens for %s after a crash, found: %s\n",
		writable ? "writing" : "reading", error_text());
	_fail(__FILE__, __LINE__);
}

static void visit_to_read(struct trial *t, struct mem_file *file, bool allowed)
{
	struct visit visit;

	open_or_fail(t, &visit, (rootdir_mem_open *)io_mem_open, file, false);
	if (allowed)
		expect_allowed(t, visit.chain);
	else
		expect_same(t, visit.chain);
	assert_ok(visit_close(&visit));
}

/* Writes to random places, once a whole area.  Sets rewritten before each
 * write, which a crash during the recovery may show. */
static void write_more(struct trial *t, struct chain *chain)
{
	const struct scenario *sc = t->world->scenario;
	uint64_t per_area = sc->area / WORLD_SECTOR;
	uint8_t *buf = malloc(sc->area);

	assert_non_null(buf);
	for (unsigned i = 0; i < NEW_WRITES; i++) {
		uint64_t s = random_next(&t->judge->seed) % t->world->n_sectors;
		uint64_t n = i ? 8 : per_area;

		s -= s % n;
		for (uint64_t k = 0; k < n; k++) {
			t->rewritten[s + k] = true;
			t->tags[s + k] = NEW_TAG;
			world_fill(t->world, buf + k * WORLD_SECTOR, s + k,
				   NEW_TAG);
		}
		assert_ok(chain_write(chain, buf, world_off(t->world, s),
				      n * WORLD_SECTOR));
	}
	free(buf);
}

struct report {
	struct check check; /* first */
	unsigned damage, unrepaired;
};

static void count(struct check *check, const struct finding *f)
{
	struct report *report = (struct report *)check;

	report->damage += !f->leak;
	if (f->leak || f->repaired)
		return;
	report->unrepaired++;
	print_error("check: %s at %" PRIu64 ": expected %s, found %s\n",
		    f->structure, f->offset, f->expected, f->found);
}

static struct report run_check(struct mem_file *file, bool repair)
{
	struct report report = { .check = { .repair = repair,
					    .report = count } };
	struct io *io;

	assert_ok(io_mem_open(file, "leaf", repair, &io));
	assert_ok(image_check(io, &report.check));
	io_close(io);
	return report;
}

static void expect_undamaged(struct mem_file *file)
{
	assert_int_equal(run_check(file, false).damage, 0);
}

/* Opens the state for writing, recorded, reads it, and writes to it. */
static void recover(struct trial *t, struct crash_file *file)
{
	struct visit visit;

	open_or_fail(t, &visit, io_crash_open, file, true);
	expect_allowed(t, visit.chain);
	write_more(t, visit.chain);
	expect_same(t, visit.chain);
	assert_ok(chain_flush(visit.chain));
	expect_same(t, visit.chain);
	assert_ok(visit_close(&visit));
	expect_undamaged(&file->now);
	visit_to_read(t, &file->now, false);
}

/* A second power cut, at each sync of the recovery. */
static void crash_again(struct trial *t, const struct crash_file *recovery)
{
	struct crash_states states;
	struct mem_file file;

	crash_states_init(&states, recovery);
	mem_file_init(&file);
	for (size_t n = 1; n <= recovery->n; n++) {
		if (n < recovery->n && recovery->ops[n].kind != CRASH_SYNC)
			continue;
		crash_state(&states, n, random_next(&t->judge->seed) % FATES,
			    &t->judge->seed, &file);
		visit_to_read(t, &file, true);
		t->judge->states++;
		t->judge->recoveries++;
	}
	mem_file_fini(&file);
	crash_states_fini(&states);
}

static void repair(struct trial *t, const struct mem_file *state)
{
	struct mem_file file;

	mem_file_init(&file);
	mem_file_copy(&file, state);
	/* A pending recovery is no damage. */
	expect_undamaged(&file);
	assert_int_equal(run_check(&file, true).unrepaired, 0);
	expect_undamaged(&file);
	visit_to_read(t, &file, true);
	mem_file_fini(&file);
	t->judge->repairs++;
}

void judge_state(struct judge *judge, const struct mem_file *state, size_t n)
{
	struct crash_file file;
	struct trial t;

	trial_init(&t, judge, n);
	judge->states++;
	crash_file_init(&file, state);
	visit_to_read(&t, &file.now, true);
	if (random_next(&judge->seed) % 4 == 0)
		repair(&t, state);
	recover(&t, &file);
	if (random_next(&judge->seed) % 8 == 0)
		crash_again(&t, &file);
	crash_file_fini(&file);
	trial_fini(&t);
}
