/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child gets another parent (image_set_parent), with a power cut at every
 * operation, and with every access or allocation failing.  Afterwards the child
 * names the old parent or the new one, shows what it showed, has its identity,
 * is sound, and can be given a parent again.
 */
#include "config.h"

#include "unit/mem-chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "crash/io-crash.h"
#include "crash/io-fault.h"
#include "format/extent-set.h"
#include "format/registry.h"

/* Names of the parents, which have equal contents: paths of several lengths.
 * The child of step i names parents[i] before, and parents[i + 1] after. */
static const char *const parents[] = {
	"old",
	"new",
	"a/directory/whose/name/is/much/longer/than/that/of/the/others/parent",
	"x",
	"another/directory/with/a/long/name/so/that/texts/take/more/sectors/"
	"than/one/and/the/gaps/that/shorter/ones/left/are/too/small/for/it/and/"
	"the/file/grows/at/its/end/once/more/parent",
	"new",
};

enum { STEPS = sizeof parents / sizeof *parents - 1, DISK = 2 << 20 };

struct child {
	const struct image_ops *format;
	struct mem_file parent, file;
	struct image *opened; /* the parent, for set_parent */
	struct guid id;
	uint8_t *contents;
};

/* The child with all its parents, as one process opens it. */
struct visit {
	struct rootdir_mem rootdir;
	struct parent_cache *cache;
	struct chain *chain;
};

static int visit_open(struct visit *visit, struct child *child,
		      struct mem_file *file, bool writable)
{
	rootdir_mem_init(&visit->rootdir);
	for (unsigned i = 0; i < STEPS; i++)
		rootdir_mem_add(&visit->rootdir, parents[i], &child->parent);
	rootdir_mem_add(&visit->rootdir, "child", file);
	assert_ok(parent_cache_new(&visit->rootdir.rootdir, 1, &visit->cache));
	return chain_open(visit->cache, "child", writable ? CHAIN_WRITABLE : 0,
			  &visit->chain);
}

static void visit_close(struct visit *visit)
{
	assert_ok(chain_close(visit->chain));
	parent_cache_free(visit->cache);
}

/* Gives the image in io, which it takes over, the parent at path. */
static int set_parent(struct image *parent, struct io *io, const char *path)
{
	char relative[300], absolute[300];
	struct image_params params = {
		.parent = parent,
		.parent_relative = relative,
		.parent_absolute = absolute,
		.parent_mtime = 1700000000,
	};
	struct image *img;
	int r = image_open(io, parent->ops, &img), rc;

	if (r < 0) {
		io_close(io);
		return r;
	}
	snprintf(relative, sizeof relative, "./%s", path);
	snprintf(absolute, sizeof absolute, "/%s", path);
	r = image_set_parent(img, &params);
	rc = image_close(img);
	return r < 0 ? r : rc;
}

static void child_write(struct child *child, uint64_t off, size_t len,
			uint8_t byte)
{
	struct visit visit;

	assert_ok(visit_open(&visit, child, &child->file, true));
	memset(child->contents + off, byte, len);
	assert_ok(chain_write(visit.chain, child->contents + off, off, len));
	visit_close(&visit);
	assert_ok(visit_open(&visit, child, &child->file, false));
	child->id = chain_leaf(visit.chain)->id;
	visit_close(&visit);
}

static void child_init(struct child *child, const struct image_ops *format)
{
	struct image_params params = { .type = IMAGE_DYNAMIC, .size = DISK };
	struct mem_chain f;
	struct io *io;

	memset(child, 0, sizeof *child);
	child->format = format;
	mem_chain_init(&f);
	mem_chain_make(&f.files[BASE], format, &params);
	mem_chain_make_child(&f, format, CHILD, BASE, "./old");
	mem_file_init(&child->parent);
	mem_file_init(&child->file);
	mem_file_copy(&child->parent, &f.files[BASE]);
	mem_file_copy(&child->file, &f.files[CHILD]);
	mem_chain_fini(&f);
	assert_ok(io_mem_open(&child->parent, "parent", false, &io));
	assert_ok(image_open(io, format, &child->opened));
	child->contents = calloc(1, DISK);
	assert_non_null(child->contents);
}

/* Fills the unused parts of a new VHD's head, so that the file must grow. */
static void child_crowd(struct child *child)
{
	static const struct range unused[] = { { 1536, 4096 },
					       { 4608, 8192 },
					       { 12800, 77824 } };
	uint8_t byte = 'z';

	for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
		for (uint64_t off = unused[i].off; off < unused[i].end; off++)
			mem_file_poke(&child->file, &byte, 1, off);
}

static void child_fini(struct child *child)
{
	assert_ok(image_close(child->opened));
	mem_file_fini(&child->parent);
	mem_file_fini(&child->file);
	free(child->contents);
}

static void expect_contents(const struct child *child, struct chain *chain)
{
	uint8_t *found = malloc(DISK);

	assert_non_null(found);
	assert_ok(chain_read(chain, found, 0, DISK));
	assert_memory_equal(found, child->contents, DISK);
	free(found);
}

static void report(struct check *check, const struct finding *finding)
{
	(void)check;
	if (finding->leak)
		return;
	print_error("%s: expected %s, found %s\n", finding->structure,
		    finding->expected, finding->found);
	_fail(__FILE__, __LINE__);
}

static void expect_sound(struct child *child, struct mem_file *file)
{
	struct check check = { .report = report };
	struct io *io;

	assert_ok(io_mem_open(file, "child", false, &io));
	assert_ok(child->format->check(io, &check));
	io_close(io);
}

/* Opens the child and checks all of it; sets *ret to the parent's path. */
static void expect_child(struct child *child, struct mem_file *file,
			 bool writable, char **ret)
{
	struct parent_ref ref = { 0 };
	struct visit visit;

	assert_ok(visit_open(&visit, child, file, writable));
	expect_contents(child, visit.chain);
	assert_true(guid_equal(&chain_leaf(visit.chain)->id, &child->id));
	assert_ok(image_parent(chain_leaf(visit.chain), &ref));
	*ret = ref.relative;
	ref.relative = NULL;
	parent_ref_fini(&ref);
	visit_close(&visit);
	expect_sound(child, file);
}

static bool names(const char *relative, const char *path)
{
	return !strncmp(relative, "./", 2) && !strcmp(relative + 2, path);
}

enum expected { OLD_OR_NEW, NEW };

static unsigned long n_states;

/* Power cuts at the syncs of the change after a crash; before it the child
 * named before. */
static void crash_again(struct child *child, const struct crash_file *leaf,
			const char *before, unsigned step, uint64_t *seed)
{
	struct crash_states states;
	struct mem_file state;

	crash_states_init(&states, leaf);
	mem_file_init(&state);
	for (size_t n = 1; n < leaf->n; n++) {
		_cleanup_free_ char *found = NULL;

		if (leaf->ops[n].kind != CRASH_SYNC)
			continue;
		crash_state(&states, n, random_next(seed) % FATES, seed,
			    &state);
		expect_child(child, &state, false, &found);
		assert_true(names(found, parents[step + 1]) ||
			    !strcmp(found, before));
		n_states++;
	}
	mem_file_fini(&state);
	crash_states_fini(&states);
}

/* file: the child after a crash or a failure within the step. */
static void judge(struct child *child, struct mem_file *file, unsigned step,
		  enum expected expected, uint64_t *seed)
{
	_cleanup_free_ char *read = NULL, *written = NULL, *again = NULL;
	struct crash_file leaf;
	struct io *io;

	expect_child(child, file, false, &read);
	crash_file_init(&leaf, file);
	expect_child(child, file, true, &written);
	assert_string_equal(read, written);
	assert_true(names(read, parents[step + 1]) ||
		    (expected == OLD_OR_NEW && names(read, parents[step])));
	assert_ok(io_crash_open(&leaf, "child", true, &io));
	assert_ok(set_parent(child->opened, io, parents[step + 1]));
	expect_child(child, &leaf.now, false, &again);
	assert_true(names(again, parents[step + 1]));
	if (random_next(seed) % 2)
		crash_again(child, &leaf, read, step, seed);
	crash_file_fini(&leaf);
}

/* Records the step, and judges states of a power cut at every operation. */
static void crash_step(struct child *child, unsigned step, uint64_t *seed)
{
	struct crash_states states;
	struct crash_file leaf;
	struct mem_file state;
	struct io *io;

	crash_file_init(&leaf, &child->file);
	assert_ok(io_crash_open(&leaf, "child", true, &io));
	assert_ok(set_parent(child->opened, io, parents[step + 1]));
	crash_states_init(&states, &leaf);
	mem_file_init(&state);
	for (size_t n = 0; n <= leaf.n; n++)
		for (enum crash_fate fate = 0; fate < FATES; fate++) {
			if (fate && !crash_unsynced(&leaf, n))
				break;
			crash_state(&states, n, fate, seed, &state);
			judge(child, &state, step,
			      n == leaf.n ? NEW : OLD_OR_NEW, seed);
			n_states++;
		}
	mem_file_copy(&child->file, &leaf.now);
	mem_file_fini(&state);
	crash_states_fini(&states);
	crash_file_fini(&leaf);
}

static void crash_steps(struct child *child)
{
	uint64_t seed = seed_from_environment();

	n_states = 0;
	for (unsigned step = 0; step < STEPS; step++) {
		child_write(child, step * M / 4 + 512, 4096, 'a');
		crash_step(child, step, &seed);
	}
	printf("# %lu states\n", n_states);
}

static void power_cut_leaves_the_old_parent_or_the_new(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct child child;

		child_init(&child, *format);
		crash_steps(&child);
		child_fini(&child);
	}
}

static void power_cut_of_a_vhd_without_a_gap(void **state)
{
	struct child child;
	uint64_t size;

	(void)state;
	child_init(&child, &vhd_ops);
	child_crowd(&child);
	size = child.file.size;
	crash_steps(&child);
	assert_true(child.file.size > size);
	child_fini(&child);
}

/* Runs the step with the fault: has it fired? */
static bool fail_step(struct child *child, unsigned step, struct faults *faults,
		      uint64_t *seed)
{
	struct fault_file leaf = { .open = (rootdir_mem_open *)io_mem_open };
	long open_before = faults_open_files();
	struct mem_file file;
	struct io *io;
	int r;

	mem_file_init(&file);
	mem_file_copy(&file, &child->file);
	leaf.file = &file;
	faults_forget_live();
	r = io_fault_open(&leaf, "child", true, &io);
	assert_ok(r);
	faults_arm(faults);
	r = set_parent(child->opened, io, parents[step + 1]);
	faults_arm(NULL);
	assert_int_equal(faults_open_files(), open_before);
	assert_int_equal(faults_live(), 0);
	assert_true(r == 0 || faults->fired);
	judge(child, &file, step, r == 0 ? NEW : OLD_OR_NEW, seed);
	mem_file_fini(&file);
	return faults->fired;
}

static void failure_leaves_the_old_parent_or_the_new(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_EIO, FAULT_ENOSPC,
						 FAULT_SHORT, FAULT_MEMORY };
	uint64_t seed = seed_from_environment();
	unsigned n = 0;

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct child child;

		child_init(&child, *format);
		child_write(&child, 512, 4096, 'a');
		for (unsigned i = 0; i < 4 * 2; i++) {
			struct faults faults;
			unsigned at = 1;

			do {
				faults = (struct faults){ .kind = kinds[i / 2],
							  .forever = i % 2,
							  .at = at++ };
			} while (fail_step(&child, 0, &faults, &seed));
			n += at;
		}
		child_fini(&child);
	}
	printf("# %u failures\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_cut_leaves_the_old_parent_or_the_new),
		cmocka_unit_test(power_cut_of_a_vhd_without_a_gap),
		cmocka_unit_test(failure_leaves_the_old_parent_or_the_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
