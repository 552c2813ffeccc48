/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VHDX images made by Windows, QEMU and disk2vhd, if VHDFS_SHARED has them:
 * each is unpacked, and the hash of its disk compared with that of an
 * independent reader.
 */
#include "config.h"

#include "unit/disks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/registry.h"
#include "io/io-file.h"

static const char *shared_path(const char *rest)
{
	static char path[2][512];
	static unsigned next;
	const char *shared = getenv("VHDFS_SHARED");
	const char *top = getenv("top_srcdir");
	char *p = path[next++ % 2];

	if (shared)
		snprintf(p, sizeof path[0], "%s/samples/%s", shared, rest);
	else
		snprintf(p, sizeof path[0], "%s/../shared/samples/%s",
			 top ? top : "..", rest);
	return p;
}

/* Skips the test without samples. */
static void unpack(void **state, const char *name)
{
	char command[1200], packed[64];

	snprintf(packed, sizeof packed, "%s.xz", name);
	if (access(shared_path(packed), R_OK) < 0)
		skip();
	snprintf(command, sizeof command, "xz -dc '%s' >'%s'",
		 shared_path(packed), scratch_path(state, name));
	assert_int_equal(system(command), 0);
}

/* The hash in MANIFEST. */
static void manifest_hash(const char *name, char hash[65])
{
	FILE *f = fopen(shared_path("MANIFEST"), "re");
	char line[512], found[128];
	unsigned long long size;

	assert_non_null(f);
	hash[0] = '\0';
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "%127s %llu %64s", found, &size, hash) == 3 &&
		    !strcmp(found, name))
			break;
	assert_string_equal(found, name);
	fclose(f);
}

/* The hash of the chain's disk. */
static void hash_of(void **state, struct chain *chain, char hash[65])
{
	enum { PIECE = 4 << 20 };
	const char *out = scratch_path(state, "hash");
	uint8_t *buf = malloc(PIECE);
	char command[600];
	FILE *f;

	snprintf(
		command, sizeof command,
		"if command -v openssl >/dev/null; then openssl dgst -sha256 -r; else sha256sum; fi >'%s'",
		out);
	f = popen(command, "w");
	assert_non_null(f);
	for (uint64_t off = 0; off < chain_size(chain); off += PIECE) {
		size_t n = min_u64(PIECE, chain_size(chain) - off);

		assert_ok(chain_read(chain, buf, off, n));
		assert_int_equal(fwrite(buf, 1, n, f), n);
	}
	free(buf);
	assert_int_equal(pclose(f), 0);
	f = fopen(out, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%64s", hash), 1);
	fclose(f);
}

static void reads_as_manifest_says(void **state, const char *name)
{
	char want[65], have[65];
	struct store store;
	struct chain *chain;

	unpack(state, name);
	if (!strcmp(name, "fat-differential.vhdx"))
		unpack(state, "fat-parent.vhdx");
	store_open(&store, *state);
	chain = disk_open(&store, name, 0);
	manifest_hash(name, want);
	hash_of(state, chain, have);
	chain_close(chain);
	store_close(&store);
	assert_string_equal(have, want);
}

#define READS(test, name)                            \
	static void test(void **state)               \
	{                                            \
		reads_as_manifest_says(state, name); \
	}
READS(a_child_of_windows_10_reads_right, "fat-differential.vhdx")
READS(a_fixed_image_of_windows_10_reads_right, "fat-parent.vhdx")
READS(a_dynamic_image_of_windows_10_reads_right, "ntfs-dynamic.vhdx")
READS(an_image_of_qemu_reads_right, "ext2.vhdx")
READS(an_image_of_disk2vhd_reads_right, "test-disk2vhd.vhdx")
READS(an_image_with_xfs_reads_right, "xfs5.vhdx")
READS(a_dirty_image_reads_right_with_its_log, "iotest-dirtylog-10G-4M.vhdx")

/* Both chains have the same content. */
static void compare_chains(struct chain *a, struct chain *b)
{
	enum { PIECE = 1 << 20 };
	uint8_t *x = malloc(PIECE), *y = malloc(PIECE);
	uint64_t n;

	assert_int_equal(chain_size(a), chain_size(b));
	for (uint64_t off = 0; off < chain_size(a); off += n) {
		uint64_t left = chain_size(a) - off;
		struct chain_extent e, f;

		assert_ok(chain_map(a, off, left, &e));
		assert_ok(chain_map(b, off, left, &f));
		assert_int_equal(e.zero, f.zero);
		n = min_u64(e.len, f.len);
		if (e.zero)
			continue;
		n = min_u64(n, PIECE);
		assert_ok(chain_read(a, x, off, n));
		assert_ok(chain_read(b, y, off, n));
		assert_memory_equal(x, y, n);
	}
	free(x);
	free(y);
}

static void dirty_image_reads_the_same_after_a_replay(void **state)
{
	const char *dirty = "iotest-dirtylog-10G-4M.vhdx";
	struct chain *seen, *replayed;
	struct guid before, after;
	char command[600];
	struct store store;

	unpack(state, dirty);
	snprintf(command, sizeof command, "cp '%s' '%s'",
		 scratch_path(state, dirty), scratch_path(state, "copy.vhdx"));
	assert_int_equal(system(command), 0);
	store_open(&store, *state);
	seen = disk_open(&store, dirty, 0);
	assert_true(chain_leaf(seen)->dirty);
	before = chain_leaf(seen)->id;
	replayed = disk_open(&store, "copy.vhdx", CHAIN_WRITABLE);
	assert_ok(chain_close(replayed));
	replayed = disk_open(&store, "copy.vhdx", 0);
	assert_false(chain_leaf(replayed)->dirty);
	after = chain_leaf(replayed)->id;
	assert_true(guid_equal(&before, &after));
	compare_chains(seen, replayed);
	chain_close(seen);
	chain_close(replayed);
	store_close(&store);
	disk_check(*state, "copy.vhdx");
}

static void images_of_others_have_no_damage(void **state)
{
	static const char *const names[] = {
		"fat-differential.vhdx", "fat-parent.vhdx",
		"ntfs-dynamic.vhdx",     "ext2.vhdx",
		"test-disk2vhd.vhdx",    "xfs5.vhdx",
	};

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		unpack(state, names[i]);
		disk_check(*state, names[i]);
	}
}

static void child_of_windows_names_its_parent(void **state)
{
	struct parent_ref ref;
	char text[GUID_TEXT_SIZE];
	struct image *img;
	struct io *io;

	unpack(state, "fat-differential.vhdx");
	assert_ok(io_file_open(scratch_path(state, "fat-differential.vhdx"),
			       false, &io));
	assert_ok(image_open(io, NULL, &img));
	assert_int_equal(img->type, IMAGE_DIFFERENCING);
	assert_ok(image_parent(img, &ref));
	assert_string_equal(guid_format(&ref.id, text),
			    "f88d4d92-6fcc-408d-9bef-9b7c89f15c89");
	assert_true(guid_is_null(&ref.id2));
	assert_string_equal(ref.relative, "./fat-parent.vhdx");
	assert_string_equal(ref.basename, "fat-parent.vhdx");
	parent_ref_fini(&ref);
	assert_ok(image_close(img));
}

/* Images of other programs are written and read back. */
static void images_of_others_can_be_written(void **state)
{
	static const char *const names[] = { "fat-differential.vhdx",
					     "ntfs-dynamic.vhdx", "ext2.vhdx" };
	uint64_t seed = seed_from_environment();

	unpack(state, "fat-parent.vhdx");
	for (unsigned i = 0; i < 3; i++) {
		struct store store;
		struct chain *chain;
		struct model model;

		unpack(state, names[i]);
		store_open(&store, *state);
		chain = disk_open(&store, names[i], CHAIN_WRITABLE);
		model_init(&model, chain_size(chain));
		assert_ok(chain_read(chain, model.bytes, 0, model.size));
		model_exercise(&model, chain, &seed, 200);
		assert_ok(chain_close(chain));
		disk_check(*state, names[i]);
		chain = disk_open(&store, names[i], 0);
		model_compare(&model, chain);
		chain_close(chain);
		model_fini(&model);
		store_close(&store);
	}
}

/* Requires qemu-img. */
static void qemu_checks(void **state, enum image_type type)
{
	const struct image_params params = { .type = type,
					     .size = 20 << 20,
					     .block_size = 1 << 20 };
	uint64_t seed = seed_from_environment();
	struct store store;
	struct chain *chain;
	struct model model;
	char command[700];

	if (system("command -v qemu-img >/dev/null") != 0)
		skip();
	snprintf(command, sizeof command, "qemu-img check -q -f vhdx '%s'",
		 scratch_path(state, "q.vhdx"));
	disk_create(*state, "q.vhdx", &params);
	assert_int_equal(system(command), 0);
	store_open(&store, *state);
	chain = disk_open(&store, "q.vhdx", CHAIN_WRITABLE);
	model_init(&model, params.size);
	model_exercise(&model, chain, &seed, 300);
	assert_ok(chain_close(chain));
	assert_int_equal(system(command), 0);
	model_fini(&model);
	store_close(&store);
}

static void qemu_checks_dynamic_images(void **state)
{
	qemu_checks(state, IMAGE_DYNAMIC);
}

static void qemu_checks_fixed_images(void **state)
{
	qemu_checks(state, IMAGE_FIXED);
}

#define IN_SCRATCH(test) \
	cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_child_of_windows_10_reads_right),
		IN_SCRATCH(a_fixed_image_of_windows_10_reads_right),
		IN_SCRATCH(a_dynamic_image_of_windows_10_reads_right),
		IN_SCRATCH(an_image_of_qemu_reads_right),
		IN_SCRATCH(an_image_of_disk2vhd_reads_right),
		IN_SCRATCH(an_image_with_xfs_reads_right),
		IN_SCRATCH(a_dirty_image_reads_right_with_its_log),
		IN_SCRATCH(dirty_image_reads_the_same_after_a_replay),
		IN_SCRATCH(images_of_others_have_no_damage),
		IN_SCRATCH(child_of_windows_names_its_parent),
		IN_SCRATCH(images_of_others_can_be_written),
		IN_SCRATCH(qemu_checks_dynamic_images),
		IN_SCRATCH(qemu_checks_fixed_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
