/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A world for crash tests: its images, its guest, and the allowed contents. */
#include "config.h"

#include "crash/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"
#include "format/vhd.h"
#include "format/vhdx.h"

/* Tags of the parents' content; tags of steps are smaller. */
#define PARENT_TAG(depth, sector) \
	((UINT64_C(1) << 40) * (1 + (depth)) + (sector) + 1)

uint64_t world_off(const struct world *world, uint64_t sector)
{
	const struct scenario *sc = world->scenario;
	uint64_t off = sector * WORLD_SECTOR;

	return off / sc->area * sc->stride + off % sc->area;
}

void world_fill(const struct world *world, uint8_t *buf, uint64_t sector,
		uint64_t tag)
{
	uint64_t x = tag * 0x9e3779b97f4a7c15 + world_off(world, sector);

	memset(buf, 0, WORLD_SECTOR);
	if (!tag)
		return;
	put_le64(buf, tag);
	for (unsigned i = 8; i < WORLD_SECTOR; i += 8)
		put_le64(buf + i, x += 0x9e3779b97f4a7c15);
}

static bool covers(const struct step *step, uint64_t sector)
{
	return step->kind <= STEP_ZERO && sector >= step->first &&
	       sector - step->first < step->n;
}

static uint64_t step_tag(const struct world *world, const struct step *step)
{
	return step->kind == STEP_ZERO ? 0 : step - world->steps + 1;
}

bool world_allows(const struct world *world, uint64_t sector, uint64_t tag,
		  size_t n)
{
	bool allowed = tag == world->initial[sector];

	for (size_t i = 0; i < world->n_steps; i++) {
		const struct step *step = &world->steps[i];

		if (step->before >= n)
			break;
		if (!covers(step, sector))
			continue;
		if (step->durable_from <= n)
			allowed = false;
		allowed |= tag == step_tag(world, step);
	}
	return allowed;
}

void world_explain(const struct world *world, uint64_t sector, size_t n)
{
	print_error("  first: tag %" PRIx64 "\n", world->initial[sector]);
	for (size_t i = 0; i < world->n_steps; i++) {
		const struct step *step = &world->steps[i];

		if (covers(step, sector) && step->before < n)
			print_error("  operations %zu to %zu: %s, tag %" PRIx64
				    ", %s\n",
				    step->before, step->after,
				    step->kind == STEP_ZERO ? "zeroed"
							    : "written",
				    step_tag(world, step),
				    step->durable_from <= n ? "flushed"
							    : "not flushed");
	}
}

static void create(struct world *world, struct mem_file *file,
		   struct mem_file *parent_file, enum image_type type,
		   const char *parent_name, uint64_t size)
{
	const struct scenario *sc = world->scenario;
	struct image_params params = {
		.type = type,
		.size = size ? size : sc->n_areas * sc->stride,
		.block_size = sc->block_size,
		.sector_size = sc->sector_size,
		.parent_relative = parent_name,
		.parent_absolute = parent_name,
	};
	struct image *parent = NULL;
	struct io *io;

	if (parent_file) {
		assert_ok(io_mem_open(parent_file, "parent", false, &io));
		assert_ok(image_open(io, NULL, &parent));
		params.parent = parent;
	}
	assert_ok(io_mem_open(file, "new", true, &io));
	assert_ok(image_create(io, sc->format, &params));
	io_close(io);
	if (parent)
		image_close(parent);
}

static const char *const parent_paths[] = { "parent0", "parent1" };
static const char *const parent_names[] = { "./parent0", "./parent1" };

static void visit_prepare(struct world *world, struct visit *visit,
			  rootdir_mem_open *open, void *file)
{
	rootdir_mem_init(&visit->rootdir);
	for (unsigned i = 0; i < world->scenario->parents; i++)
		rootdir_mem_add(&visit->rootdir, parent_paths[i],
				&world->parents[i]);
	rootdir_mem_add_other(&visit->rootdir, "leaf", open, file);
	assert_ok(parent_cache_new(&visit->rootdir.rootdir, 1, &visit->cache));
}

int visit_open(struct world *world, struct visit *visit, rootdir_mem_open *open,
	       void *file, bool writable)
{
	int r;

	visit_prepare(world, visit, open, file);
	faults_arm(world->faults);
	r = chain_open(visit->cache, "leaf", writable ? CHAIN_WRITABLE : 0,
		       &visit->chain);
	faults_arm(NULL);
	if (r < 0)
		parent_cache_free(visit->cache);
	return r;
}

int visit_close(struct visit *visit)
{
	int r = chain_close(visit->chain);

	parent_cache_free(visit->cache);
	return r;
}

/* Writes to some of a parent's blocks; deeper parents have other ones. */
static void fill_parent(struct world *world, unsigned depth)
{
	const struct scenario *sc = world->scenario;
	uint64_t most = sc->block_size ? sc->block_size : MIB(2);
	uint64_t per_block = min_u64(most, sc->area) / WORLD_SECTOR;
	uint8_t buf[4096];
	struct visit visit;
	struct scenario as_parent = *sc;
	struct world below = *world;

	as_parent.parents = depth;
	below.scenario = &as_parent;
	assert_ok(visit_open(&below, &visit, (rootdir_mem_open *)io_mem_open,
			     &world->parents[depth], true));
	for (uint64_t s = 0; s < world->n_sectors; s += 8) {
		uint64_t block = s / per_block;

		if ((block + depth) % 3 || s % 32 >= 24 ||
		    world_off(world, s) + sizeof buf > chain_size(visit.chain))
			continue;
		for (unsigned k = 0; k < 8; k++) {
			world->initial[s + k] = PARENT_TAG(depth, s + k);
			world_fill(world, buf + k * WORLD_SECTOR, s + k,
				   world->initial[s + k]);
		}
		assert_ok(chain_write(visit.chain, buf, world_off(world, s),
				      sizeof buf));
	}
	assert_ok(visit_close(&visit));
}

static void make_images(struct world *world)
{
	const struct scenario *sc = world->scenario;
	struct mem_file leaf, *above = NULL;

	for (unsigned i = 0; i < sc->parents; i++) {
		mem_file_init(&world->parents[i]);
		create(world, &world->parents[i], above,
		       i ? IMAGE_DIFFERENCING : IMAGE_DYNAMIC,
		       i ? parent_names[i - 1] : NULL, sc->parents_size);
		fill_parent(world, i);
		above = &world->parents[i];
	}
	mem_file_init(&leaf);
	create(world, &leaf, above, sc->type,
	       above ? parent_names[sc->parents - 1] : NULL, 0);
	crash_file_init(&world->leaf, &leaf);
	mem_file_fini(&leaf);
}

static struct step *begin_step(struct world *world, enum step_kind kind,
			       uint64_t first, uint64_t n)
{
	if (world->n_steps == world->room) {
		world->room = world->room ? 2 * world->room : 64;
		world->steps = realloc(world->steps,
				       world->room * sizeof *world->steps);
		assert_non_null(world->steps);
	}
	world->steps[world->n_steps] = (struct step){
		.kind = kind,
		.first = first,
		.n = n,
		.before = world->leaf.n,
		.durable_from = SIZE_MAX,
	};
	return &world->steps[world->n_steps++];
}

/* All steps since the last kill are durable now. */
static void set_durable(struct world *world)
{
	for (size_t i = world->n_steps; i--;) {
		struct step *step = &world->steps[i];

		if (step->kind == STEP_KILL)
			break;
		if (!step->failed)
			step->durable_from =
				min_u64(step->durable_from, world->leaf.n);
	}
}

static bool fault_fired(const struct world *world)
{
	return world->faults && world->faults->fired;
}

static bool has_failed(const struct world *world)
{
	return atomic_load(&chain_leaf(world->chain)->failed);
}

static bool may_run_full(const struct world *world)
{
	return world->faults && world->faults->kind == FAULT_ROOM;
}

/* After the guest got -ENOSPC: frees disk space.  The image must not have
 * failed. */
static void make_room(struct world *world)
{
	if (!may_run_full(world))
		return;
	world->faults->fired = true;
	world->leaf.now.room = 0;
	assert_false(has_failed(world));
}

/* Ends the step; true on success.  Errors are accepted during a kill and after
 * a fault. */
static bool end_step(struct world *world, int r)
{
	if (r == -ENOSPC)
		make_room(world);
	if (!world->dying && !fault_fired(world))
		assert_ok(r);
	world->steps[world->n_steps - 1].after = world->leaf.n;
	world->steps[world->n_steps - 1].failed = r < 0;
	return r == 0;
}

/* Has the fault fired, and will not fire again? */
static bool is_past(const struct world *world)
{
	return fault_fired(world) && !world->faults->forever;
}

static void expect_allowed_content(struct world *world)
{
	uint64_t *tags = calloc(world->n_sectors, sizeof *tags);

	assert_non_null(tags);
	world_read(world, world->chain, tags);
	for (uint64_t s = 0; s < world->n_sectors; s++)
		if (!world_allows(world, s, tags[s], world->leaf.n + 1)) {
			print_error("sector %" PRIu64 " reads tag %" PRIx64
				    " after a fault\n",
				    s, tags[s]);
			world_explain(world, s, world->leaf.n + 1);
			_fail(__FILE__, __LINE__);
		}
	free(tags);
}

/* The length in bytes of n sectors.  A whole area stands for its whole block,
 * whose part behind the area is not tested. */
static uint64_t byte_len(const struct world *world, uint64_t n)
{
	const struct scenario *sc = world->scenario;

	if (n * WORLD_SECTOR == sc->area && sc->stride == sc->block_size)
		return sc->stride;
	return n * WORLD_SECTOR;
}

static void do_write(struct world *world, uint64_t first, uint64_t n)
{
	struct step *step = begin_step(world, STEP_WRITE, first, n);
	uint64_t len = byte_len(world, n);
	uint8_t *buf = calloc(1, len);
	int r;

	assert_non_null(buf);
	for (uint64_t i = 0; i < n; i++)
		world_fill(world, buf + i * WORLD_SECTOR, first + i,
			   step_tag(world, step));
	faults_arm(world->faults);
	r = chain_write(world->chain, buf, world_off(world, first), len);
	faults_arm(NULL);
	if (!end_step(world, r) && is_past(world) && !has_failed(world)) {
		assert_ok(chain_write(world->chain, buf,
				      world_off(world, first), len));
		end_step(world, 0);
	}
	free(buf);
}

static void do_zero(struct world *world, uint64_t first, uint64_t n, bool punch)
{
	uint64_t off = world_off(world, first), len = byte_len(world, n);
	int r;

	begin_step(world, STEP_ZERO, first, n);
	faults_arm(world->faults);
	r = chain_zero(world->chain, off, len, punch);
	faults_arm(NULL);
	if (!end_step(world, r) && is_past(world) && !has_failed(world)) {
		assert_ok(chain_zero(world->chain, off, len, punch));
		end_step(world, 0);
	}
}

/* Sets world->chain; null if a fault that goes on prevents that. */
static void open_leaf(struct world *world)
{
	int r;

	faults_arm(world->faults);
	r = chain_open(world->cache, "leaf", CHAIN_WRITABLE, &world->chain);
	faults_arm(NULL);
	if (r == 0)
		return;
	world->chain = NULL;
	if (!fault_fired(world))
		assert_ok(r);
	if (is_past(world))
		assert_ok(chain_open(world->cache, "leaf", CHAIN_WRITABLE,
				     &world->chain));
}

static int close_leaf(struct world *world)
{
	int r;

	faults_arm(world->faults);
	r = chain_close(steal(world->chain));
	faults_arm(NULL);
	return r;
}

/* Opens the leaf in a new process, whose flushes do not make earlier writes
 * durable. */
static void start_process(struct world *world)
{
	begin_step(world, STEP_KILL, 0, 0)->after = world->leaf.n;
	open_leaf(world);
}

/* After a failed flush: the image refuses writes, and can be reopened. */
static void after_failed_flush(struct world *world)
{
	uint8_t sector[4096] = { 0 };

	if (!is_past(world))
		return;
	expect_allowed_content(world);
	if (!has_failed(world)) {
		/* After -ENOMEM the flush has changed no state. */
		assert_int_equal(world->faults->kind, FAULT_MEMORY);
		assert_ok(chain_flush(world->chain));
		set_durable(world);
		return;
	}
	assert_int_equal(chain_write(world->chain, sector, 0, sizeof sector),
			 -EIO);
	assert_int_equal(chain_flush(world->chain), -EIO);
	(void)close_leaf(world);
	start_process(world);
	expect_allowed_content(world);
}

static void do_flush(struct world *world)
{
	int r;

	begin_step(world, STEP_FLUSH, 0, 0);
	faults_arm(world->faults);
	r = chain_flush(world->chain);
	faults_arm(NULL);
	/* The writes have reserved the space of the flush. */
	if (may_run_full(world))
		assert_ok(r);
	if (end_step(world, r))
		set_durable(world);
	else if (!world->dying)
		after_failed_flush(world);
}

static void do_close(struct world *world)
{
	int r;

	begin_step(world, STEP_FLUSH, 0, 0);
	r = close_leaf(world);
	if (may_run_full(world))
		assert_ok(r);
	if (end_step(world, r))
		set_durable(world);
}

/* Chooses a range of one area; multiples of the disk's sector size. */
static void choose_sectors(struct world *world, bool whole, uint64_t *ret_first,
			   uint64_t *ret_n)
{
	const struct scenario *sc = world->scenario;
	uint64_t per_area = sc->area / WORLD_SECTOR;
	uint64_t per_block =
		min_u64(per_area, (sc->block_size ? sc->block_size : MIB(2)) /
					  WORLD_SECTOR);
	uint64_t unit = sc->sector_size == 4096 ? 8 : 1;
	uint64_t first = random_next(&world->seed) % world->n_sectors, n;

	if (whole) {
		*ret_first = first - first % per_area % per_block;
		*ret_n = min_u64(per_block, per_area - *ret_first % per_area);
		return;
	}
	first -= first % unit;
	n = round_up(1 + random_upto(&world->seed, 40), unit);
	*ret_first = first;
	*ret_n = min_u64(n, per_area - first % per_area);
}

static void write_or_flush(struct world *world, unsigned what)
{
	const struct scenario *sc = world->scenario;
	bool whole = what < sc->whole + sc->punch;
	uint64_t first, n;

	choose_sectors(world, whole, &first, &n);
	if (what < sc->whole)
		do_write(world, first, n);
	else if ((what -= sc->whole) < sc->punch)
		do_zero(world, first, n, true);
	else if ((what -= sc->punch) < sc->zero)
		do_zero(world, first, n, what % 2);
	else if ((what -= sc->zero) < sc->flush)
		do_flush(world);
	else
		do_write(world, first, n);
}

/* Kills the process before or during a step; a new process opens the file with
 * the content of the page cache. */
static void do_kill(struct world *world)
{
	bool flush = random_next(&world->seed) % 2;

	world->dying = true;
	world->leaf.now.fail_code = -EIO;
	world->leaf.now.fail_after = (int)(random_next(&world->seed) % 9);
	if (flush)
		do_flush(world);
	else
		write_or_flush(world, random_next(&world->seed) % 100);
	world->dying = false;
	/* A failed image is closed without changes of the file. */
	image_fail(chain_leaf(world->chain), -EIO);
	chain_close(steal(world->chain));
	world->leaf.now.fail_after = -1;
	start_process(world);
}

static void do_step(struct world *world)
{
	const struct scenario *sc = world->scenario;
	unsigned what = random_next(&world->seed) % 100;
	unsigned others = sc->whole + sc->punch + sc->zero + sc->flush;

	if (!world->chain)
		return;
	if (what >= others && what < others + sc->reopen) {
		if (random_next(&world->seed) % 2)
			do_flush(world);
		if (world->chain)
			do_close(world);
		start_process(world);
		world_take_snapshot(world);
	} else if (what >= others + sc->reopen &&
		   what < others + sc->reopen + sc->kill) {
		do_kill(world);
	} else {
		write_or_flush(world, what);
	}
}

/* The directory of the world's files, which are opened with its faults. */
static void prepare_root(struct world *world)
{
	rootdir_mem_init(&world->rootdir);
	world->sources[0] = (struct fault_file){ io_crash_open, &world->leaf };
	rootdir_mem_add_other(&world->rootdir, "leaf", io_fault_open,
			      &world->sources[0]);
	for (unsigned i = 0; i < world->scenario->parents; i++) {
		world->sources[1 + i] =
			(struct fault_file){ (rootdir_mem_open *)io_mem_open,
					     &world->parents[i] };
		rootdir_mem_add_other(&world->rootdir, parent_paths[i],
				      io_fault_open, &world->sources[1 + i]);
	}
	assert_ok(parent_cache_new(&world->rootdir.rootdir, 1, &world->cache));
}

void world_init(struct world *world, const struct scenario *scenario,
		uint64_t seed, struct faults *faults)
{
	memset(world, 0, sizeof *world);
	world->scenario = scenario;
	world->seed = seed;
	world->n_sectors = scenario->n_areas * scenario->area / WORLD_SECTOR;
	world->initial = calloc(world->n_sectors, sizeof *world->initial);
	assert_non_null(world->initial);
	make_images(world);
	world->faults = faults;
	if (may_run_full(world))
		world->leaf.now.room =
			mem_file_used(&world->leaf.now) + faults->at;
	prepare_root(world);
	open_leaf(world);
	world_take_snapshot(world);
	for (unsigned i = 0; i < scenario->prelude + scenario->steps; i++)
		do_step(world);
	if (world->chain)
		do_flush(world);
	if (world->chain)
		do_close(world);
}

void world_fini(struct world *world)
{
	parent_cache_free(world->cache);
	for (unsigned i = 0; i < world->scenario->parents; i++)
		mem_file_fini(&world->parents[i]);
	crash_file_fini(&world->leaf);
	free(world->initial);
	free(world->steps);
	for (size_t i = 0; i < world->n_snapshots; i++)
		free(world->snapshots[i].tags);
	free(world->snapshots);
}
