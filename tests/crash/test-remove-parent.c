/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child becomes a dynamic image (chain_complete, image_remove_parent), with a
 * power cut at every operation, and with every access or allocation failing.
 * Afterwards the file is a child of its parent or a dynamic image, shows what
 * it showed, has its identity, is sound, and can be made dynamic and written.
 */
#include "config.h"

#include "unit/mem-chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "chain/rebase.h"
#include "crash/io-crash.h"
#include "crash/io-fault.h"
#include "format/registry.h"
#include "format/vhd-internal.h"
#include "format/vhdx-internal.h"

/* The last block is not whole. */
enum { BLOCK = 1 << 20, DISK = 4 * BLOCK - 3 * 512 };

struct family {
	const struct image_ops *format;
	struct mem_file parent, child, grandchild;
	struct guid id; /* of the child */
	uint8_t *contents;
	unsigned long n_states;
};

/* The child with its parent and its child, as one process opens them. */
struct visit {
	struct rootdir_mem rootdir;
	struct parent_cache *cache;
	struct chain *chain;
};

static int visit_open(struct visit *visit, struct family *family,
		      rootdir_mem_open *open, void *file, const char *path,
		      int flags)
{
	rootdir_mem_init(&visit->rootdir);
	rootdir_mem_add(&visit->rootdir, "parent", &family->parent);
	rootdir_mem_add(&visit->rootdir, "grandchild", &family->grandchild);
	rootdir_mem_add_other(&visit->rootdir, "child", open, file);
	assert_ok(parent_cache_new(&visit->rootdir.rootdir, 1, &visit->cache));
	return chain_open(visit->cache, path, flags, &visit->chain);
}

static void open_file(struct visit *visit, struct family *family,
		      struct mem_file *file, const char *path, int flags)
{
	assert_ok(visit_open(visit, family, (rootdir_mem_open *)io_mem_open,
			     file, path, flags));
}

static void visit_close(struct visit *visit)
{
	assert_ok(chain_close(visit->chain));
	parent_cache_free(visit->cache);
}

static int remove_open(struct chain *chain)
{
	struct image *leaf = chain_leaf(chain);
	uint64_t copied;
	int r;

	leaf->keeps_id = true;
	r = chain_complete(chain, &copied, NULL, NULL);
	if (r == 0)
		r = chain_flush(chain);
	return r < 0 ? r : image_remove_parent(leaf);
}

/* Makes the child in the file a dynamic image. */
static int remove_parent(struct family *family, rootdir_mem_open *open,
			 void *file)
{
	struct visit visit;
	int r = visit_open(&visit, family, open, file, "child", CHAIN_WRITABLE);
	int rc = 0;

	if (r == 0) {
		r = remove_open(visit.chain);
		rc = chain_close(visit.chain);
	}
	parent_cache_free(visit.cache);
	return r < 0 ? r : rc;
}

static void put(struct family *family, struct mem_file *file, const char *path,
		uint64_t off, size_t len, int byte)
{
	struct visit visit;

	memset(family->contents + off, byte, len);
	open_file(&visit, family, file, path, CHAIN_WRITABLE);
	if (byte)
		assert_ok(chain_write(visit.chain, family->contents + off, off,
				      len));
	else
		assert_ok(chain_zero(visit.chain, off, len, false));
	visit_close(&visit);
}

static void make_child(struct family *family, struct mem_file *file,
		       struct mem_file *parent, const char *relative)
{
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .block_size = BLOCK,
				       .parent_relative = relative,
				       .parent_absolute = "/gone/away" };
	struct image *img;
	struct io *io;

	mem_file_init(file);
	assert_ok(io_mem_open(parent, "parent", false, &io));
	assert_ok(image_open(io, family->format, &img));
	params.parent = img;
	mem_chain_make(file, family->format, &params);
	family->id = img->id;
	assert_ok(image_close(img));
}

/* Other programs leave other bytes than zeros where an allocated block has
 * sectors of the parent. */
static void spoil_unstored(struct family *family)
{
	uint8_t byte = 'z';
	struct visit visit;
	struct extent e;

	open_file(&visit, family, &family->child, "child", 0);
	for (uint64_t off = 0; off < DISK; off += e.len) {
		assert_ok(image_map_locked(chain_leaf(visit.chain), off,
					   DISK - off, &e));
		for (uint64_t i = 0; e.kind == EXTENT_PARENT && e.file_off &&
				     i < min_u64(e.len, 100000);
		     i++)
			mem_file_poke(&family->child, &byte, 1, e.file_off + i);
	}
	visit_close(&visit);
}

/* Blocks of the child: 0 and 2 stored in part, 1 not at all, 3 zeros in part;
 * below them the parent's data in 0, 1 and 3. */
static void family_init(struct family *family, const struct image_ops *format)
{
	struct image_params params = { .type = IMAGE_DYNAMIC,
				       .size = DISK,
				       .block_size = BLOCK };
	struct mem_file parent;

	memset(family, 0, sizeof *family);
	family->format = format;
	family->contents = calloc(1, DISK);
	assert_non_null(family->contents);
	mem_file_init(&family->parent);
	mem_file_init(&family->grandchild);
	mem_file_init(&parent);
	mem_chain_make(&parent, format, &params);
	mem_file_copy(&family->parent, &parent);
	put(family, &parent, "child", 0, 200000, 'a');
	put(family, &parent, "child", BLOCK + 300 * 512, 5 * 512, 'b');
	put(family, &parent, "child", DISK - 9 * 512, 9 * 512, 'c');
	mem_file_copy(&family->parent, &parent);
	make_child(family, &family->child, &family->parent, "./parent");
	put(family, &family->child, "child", 512, 3 * 512, 'd');
	put(family, &family->child, "child", 2 * BLOCK + 70000, 1000, 'e');
	put(family, &family->child, "child", DISK - 8 * 512, 512, 0);
	spoil_unstored(family);
	make_child(family, &family->grandchild, &family->child, "./child");
	mem_file_fini(&parent);
}

static void family_fini(struct family *family)
{
	mem_file_fini(&family->parent);
	mem_file_fini(&family->child);
	mem_file_fini(&family->grandchild);
	free(family->contents);
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

static void expect_sound(struct family *family, struct mem_file *file)
{
	struct check check = { .report = report };
	struct io *io;

	assert_ok(io_mem_open(file, "child", false, &io));
	assert_ok(family->format->check(io, &check));
	io_close(io);
}

static void expect_contents(const struct family *family, struct chain *chain)
{
	uint8_t *found = malloc(DISK);

	assert_non_null(found);
	assert_ok(chain_read(chain, found, 0, DISK));
	assert_memory_equal(found, family->contents, DISK);
	free(found);
}

/* Programs that ignore bitmaps read the same: each allocated block stores all
 * of its sectors. */
static void expect_whole_blocks(struct image *img)
{
	struct extent e;

	for (uint64_t off = 0; off < DISK; off += e.len) {
		assert_ok(image_map_locked(img, off, DISK - off, &e));
		assert_true(e.kind == EXTENT_STORED || !e.file_off);
	}
}

/* The structures are those of an image that never had a parent. */
static void expect_no_parent(struct image *img)
{
	uint64_t entry;

	expect_whole_blocks(img);
	if (img->ops == &vhd_ops) {
		assert_true(
			bytes_are_zero(vhd_of(img)->header + HEADER_PARENT_ID,
				       HEADER_SIZE - HEADER_PARENT_ID));
		return;
	}
	assert_null(vhdx_meta_find(vhdx_of(img), VHDX_GUID_PARENT_LOCATOR));
	assert_ok(vhdx_read_tables(vhdx_of(img), &entry, sizeof entry,
				   vhdx_of(img)->bat.off +
					   vhdx_bitmap_index(vhdx_of(img), 0) *
						   VHDX_BAT_ENTRY));
	assert_int_equal(entry, 0);
}

/* No byte of the path to the parent is left, but in a VHDX's log, which ends at
 * 2 MiB. */
static void expect_no_path(const struct family *family,
			   const struct mem_file *file)
{
	static const char path[] = "p\0a\0r\0e\0n\0t";
	uint64_t from = family->format == &vhdx_ops ? MIB(2) : 0;
	size_t len = file->size - from;
	uint8_t *bytes = malloc(len);

	assert_non_null(bytes);
	mem_file_peek(file, bytes, len, from);
	assert_null(memmem(bytes, len, path, sizeof path - 1));
	free(bytes);
}

/* Opens the file, and checks all of it: is it a dynamic image? */
static bool expect_child(struct family *family, struct mem_file *file,
			 bool writable)
{
	struct visit visit;
	struct image *leaf;
	bool dynamic;

	open_file(&visit, family, file, "child", writable ? CHAIN_WRITABLE : 0);
	leaf = chain_leaf(visit.chain);
	dynamic = leaf->type == IMAGE_DYNAMIC;
	assert_int_equal(chain_depth(visit.chain), dynamic ? 0 : 1);
	assert_true(guid_equal(&leaf->id, &family->id));
	expect_contents(family, visit.chain);
	if (dynamic)
		expect_no_parent(leaf);
	visit_close(&visit);
	expect_sound(family, file);
	open_file(&visit, family, file, "grandchild", 0);
	expect_contents(family, visit.chain);
	visit_close(&visit);
	return dynamic;
}

/* A dynamic image can be written like another. */
static void expect_writable(struct family *family, struct mem_file *file)
{
	uint8_t *before = malloc(DISK);
	struct visit visit;

	assert_non_null(before);
	memcpy(before, family->contents, DISK);
	put(family, file, "child", 5 * 512, 3 * 512, 'w');
	put(family, file, "child", 2 * BLOCK, BLOCK, 'x');
	put(family, file, "child", BLOCK - 512, 1024, 0);
	open_file(&visit, family, file, "child", 0);
	expect_contents(family, visit.chain);
	visit_close(&visit);
	expect_sound(family, file);
	memcpy(family->contents, before, DISK);
	free(before);
}

/* Power cuts at the syncs of the removal after a crash. */
static void crash_again(struct family *family, const struct crash_file *leaf,
			uint64_t *seed)
{
	struct crash_states states;
	struct mem_file state;

	crash_states_init(&states, leaf);
	mem_file_init(&state);
	for (size_t n = 1; n < leaf->n; n++) {
		if (leaf->ops[n].kind != CRASH_SYNC)
			continue;
		crash_state(&states, n, random_next(seed) % FATES, seed,
			    &state);
		(void)expect_child(family, &state, false);
		family->n_states++;
	}
	mem_file_fini(&state);
	crash_states_fini(&states);
}

/* file: the child after a crash or a failure; done: the removal has ended. */
static void judge(struct family *family, struct mem_file *file, bool done,
		  uint64_t *seed)
{
	bool dynamic = expect_child(family, file, false);
	struct crash_file leaf;

	assert_true(dynamic || !done);
	assert_int_equal(expect_child(family, file, true), dynamic);
	if (!dynamic) {
		crash_file_init(&leaf, file);
		assert_ok(remove_parent(family, io_crash_open, &leaf));
		assert_true(expect_child(family, &leaf.now, false));
		expect_no_path(family, &leaf.now);
		if (random_next(seed) % 4 == 0)
			crash_again(family, &leaf, seed);
		mem_file_copy(file, &leaf.now);
		crash_file_fini(&leaf);
	}
	if (random_next(seed) % 4 == 0)
		expect_writable(family, file);
}

/* Whether this one of the cuts or failures is taken: with VHDFS_SAMPLE one of
 * three, which the seed chooses. */
static bool is_taken(uint64_t *seed)
{
	return !getenv("VHDFS_SAMPLE") || random_next(seed) % 3 == 0;
}

/* Records the removal, and judges states of a power cut at every operation. */
static void crash_removal(struct family *family)
{
	uint64_t seed = seed_from_environment();
	struct crash_states states;
	struct crash_file leaf;
	struct mem_file cut;

	crash_file_init(&leaf, &family->child);
	assert_ok(remove_parent(family, io_crash_open, &leaf));
	crash_states_init(&states, &leaf);
	mem_file_init(&cut);
	for (size_t n = 0; n <= leaf.n; n++)
		for (enum crash_fate fate = 0; fate < FATES; fate++) {
			if (fate && !crash_unsynced(&leaf, n))
				break;
			if (n < leaf.n && !is_taken(&seed))
				continue;
			crash_state(&states, n, fate, &seed, &cut);
			judge(family, &cut, n == leaf.n, &seed);
			family->n_states++;
		}
	printf("# %s: %lu states\n", family->format->name, family->n_states);
	mem_file_fini(&cut);
	crash_states_fini(&states);
	crash_file_fini(&leaf);
}

static void power_cut_leaves_the_child_or_a_dynamic_image(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct family family;

		family_init(&family, *format);
		crash_removal(&family);
		family_fini(&family);
	}
}

/* Completes the VHD, and fills its unused space, so that a new header has no
 * place before the end of the file. */
static void crowd(struct family *family)
{
	const struct extent_set *space;
	struct visit visit;
	struct vhd *v;
	uint64_t copied, at = 0;
	uint8_t byte = 'z';

	open_file(&visit, family, &family->child, "child", CHAIN_WRITABLE);
	chain_leaf(visit.chain)->keeps_id = true;
	assert_ok(chain_complete(visit.chain, &copied, NULL, NULL));
	v = vhd_of(chain_leaf(visit.chain));
	assert_ok(vhd_space_load(v));
	space = &v->space;
	for (size_t i = 0; i <= space->n; at = space->used[i++].end) {
		uint64_t end =
			i < space->n ? space->used[i].off : v->footer_off;

		for (; at < end; at++)
			mem_file_poke(&family->child, &byte, 1, at);
		if (i == space->n)
			break;
	}
	visit_close(&visit);
	assert_false(expect_child(family, &family->child, false));
}

/* Gives the copy of the footer at offset 0 another id, as a crash of a change
 * does (N2 of vhd-writable.c). */
static void make_copy_older(struct family *family)
{
	uint8_t footer[FOOTER_SIZE];

	mem_file_peek(&family->child, footer, sizeof footer, 0);
	footer[FOOTER_ID] ^= 1;
	vhd_footer_seal(footer);
	mem_file_poke(&family->child, footer, sizeof footer, 0);
}

static void power_cut_of_a_vhd_without_a_gap(void **state)
{
	struct family family;
	struct mem_file file;

	(void)state;
	family_init(&family, &vhd_ops);
	crowd(&family);
	make_copy_older(&family);
	mem_file_init(&file);
	mem_file_copy(&file, &family.child);
	assert_ok(
		remove_parent(&family, (rootdir_mem_open *)io_mem_open, &file));
	assert_true(file.size > family.child.size);
	mem_file_fini(&file);
	crash_removal(&family);
	family_fini(&family);
}

/* Removes the parent with the fault: has it fired? */
static bool fail_removal(struct family *family, struct faults *faults,
			 uint64_t *seed)
{
	struct fault_file leaf = { .open = (rootdir_mem_open *)io_mem_open };
	long open_before = faults_open_files();
	struct mem_file file;
	struct visit visit;
	int r, rc;

	mem_file_init(&file);
	mem_file_copy(&file, &family->child);
	leaf.file = &file;
	faults_forget_live();
	assert_ok(visit_open(&visit, family, io_fault_open, &leaf, "child",
			     CHAIN_WRITABLE));
	faults_arm(faults);
	r = remove_open(visit.chain);
	rc = chain_close(visit.chain);
	faults_arm(NULL);
	parent_cache_free(visit.cache);
	assert_int_equal(faults_open_files(), open_before);
	assert_int_equal(faults_live(), 0);
	r = r < 0 ? r : rc;
	assert_true(r == 0 || faults->fired);
	judge(family, &file, r == 0, seed);
	mem_file_fini(&file);
	return faults->fired;
}

static void failure_leaves_the_child_or_a_dynamic_image(void **state)
{
	static const enum fault_kind kinds[] = { FAULT_EIO, FAULT_ENOSPC,
						 FAULT_SHORT, FAULT_MEMORY };
	uint64_t seed = seed_from_environment();
	unsigned n = 0;

	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct family family;

		family_init(&family, *format);
		for (unsigned i = 0; i < 4 * 2; i++) {
			struct faults faults;
			unsigned at = 0;

			do {
				do
					at++;
				while (!is_taken(&seed));
				faults = (struct faults){ .kind = kinds[i / 2],
							  .forever = i % 2,
							  .at = at };
				n++;
			} while (fail_removal(&family, &faults, &seed));
		}
		family_fini(&family);
	}
	printf("# %u failures\n", n);
}

static void partial_block_is_refused(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct family family;
		struct visit visit;

		family_init(&family, *format);
		open_file(&visit, &family, &family.child, "child",
			  CHAIN_WRITABLE);
		assert_errno(image_remove_parent(chain_leaf(visit.chain)),
			     -EINVAL);
		visit_close(&visit);
		assert_false(expect_child(&family, &family.child, false));
		family_fini(&family);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(partial_block_is_refused),
		cmocka_unit_test(power_cut_leaves_the_child_or_a_dynamic_image),
		cmocka_unit_test(power_cut_of_a_vhd_without_a_gap),
		cmocka_unit_test(failure_leaves_the_child_or_a_dynamic_image),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
