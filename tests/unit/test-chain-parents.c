/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Search for parents: which are found, accepted and refused. */
#include "unit/pairs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "io/io-file.h"
#include "io/rootdir.h"

static void child_reads_its_parents_data(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		make_pair(*state, &store, e);
		assert_int_equal(first_byte(&store, named("child", e), M), 'b');
		assert_int_equal(first_byte(&store, named("child", e), 0), 0);
	}
	store_close(&store);
}

static void parent_opened_for_writing_and_not_written_is_accepted(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		make_pair(*state, &store, e);
		assert_ok(chain_close(
			disk_open(&store, named("base", e), CHAIN_WRITABLE)));
		assert_int_equal(first_byte(&store, named("child", e), M), 'b');
	}
	store_close(&store);
}

static void changed_parent_is_refused(void **state)
{
	struct store store;

	store_open(&store, *state);
	make_pair(*state, &store, "vhdx");
	write_byte(&store, "base.vhdx", 0);
	open_fails(&store, "child.vhdx", 0, -ESTALE, "identifier");
	store_close(&store);
}

static void other_image_under_the_parents_name_is_refused(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		make_pair(*state, &store, e);
		unlink(scratch_path(state, named("base", e)));
		make_base(*state, named("base", e));
		open_fails(&store, named("child", e), 0, -ESTALE,
			   named("base", e));
	}
	store_close(&store);
}

static void error_of_a_missing_parent_has_its_name(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		make_pair(*state, &store, e);
		unlink(scratch_path(state, named("base", e)));
		open_fails(&store, named("child", e), 0, -ENOENT,
			   named("base", e));
	}
	store_close(&store);
}

static void parent_is_found_by_its_relative_path(void **state)
{
	struct store store;

	store_open(&store, *state);
	assert_int_equal(mkdir(scratch_path(state, "masters"), 0755), 0);
	assert_int_equal(mkdir(scratch_path(state, "clients"), 0755), 0);
	FOR_EACH_FORMAT(e)
	{
		char master[64], child[64], relative[80];

		snprintf(master, sizeof master, "masters/m.%s", e);
		snprintf(child, sizeof child, "clients/c.%s", e);
		snprintf(relative, sizeof relative, "../masters/m.%s", e);
		make_base(*state, master);
		disk_create_child(*state, child, master, relative, 0);
		write_byte(&store, child, 5);
		assert_int_equal(first_byte(&store, child, 5), 'x');
	}
	store_close(&store);
}

static void parent_is_found_in_the_childs_directory(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		char relative[80];

		make_base(*state, named("base", e));
		snprintf(relative, sizeof relative, "../elsewhere/%s",
			 named("base", e));
		disk_create_child(*state, named("child", e), named("base", e),
				  relative, 0);
		assert_int_equal(first_byte(&store, named("child", e), 0), 0);
	}
	store_close(&store);
}

static void parent_is_found_if_its_name_differs_in_case(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		make_pair(*state, &store, e);
		assert_int_equal(rename(scratch_path(state, named("base", e)),
					scratch_path(state, named("BASE", e))),
				 0);
		assert_int_equal(first_byte(&store, named("child", e), M), 'b');
	}
	store_close(&store);
}

/* The name in the child leads to another version of the master now. */
static void version_of_the_parent_is_found_by_its_identity(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain *chain;

		make_pair(*state, &store, e);
		assert_int_equal(
			rename(scratch_path(state, named("base", e)),
			       scratch_path(state, named("base@12", e))),
			0);
		make_base(*state, named("base@2", e));
		assert_int_equal(symlink(named("base@2", e),
					 scratch_path(state, named("base", e))),
				 0);
		chain = disk_open(&store, named("child", e), 0);
		assert_string_equal(chain_path(chain, 1), named("base@12", e));
		assert_ok(chain_close(chain));
		assert_int_equal(first_byte(&store, named("child", e), M), 'b');
	}
	store_close(&store);
}

static void only_numbered_names_are_versions_of_a_parent(void **state)
{
	static const char *const others[] = { "base@", "base@1a", "base@test",
					      "base1", "xbase@1" };
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		const char *at = named("base", e);

		make_pair(*state, &store, e);
		for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
			assert_int_equal(
				rename(scratch_path(state, at),
				       scratch_path(state,
						    named(others[i], e))),
				0);
			at = named(others[i], e);
			open_fails(&store, named("child", e), 0, -ENOENT,
				   "missing");
		}
		unlink(scratch_path(state, at));
	}
	store_close(&store);
}

static void parent_outside_the_store_is_refused(void **state)
{
	struct store store;

	assert_int_equal(mkdir(scratch_path(state, "store"), 0755), 0);
	store_open(&store, scratch_path(state, "store"));
	FOR_EACH_FORMAT(e)
	{
		char child[64], relative[80];

		snprintf(child, sizeof child, "store/c.%s", e);
		snprintf(relative, sizeof relative, "../%s", named("out", e));
		make_base(*state, named("out", e));
		disk_create_child(*state, child, named("out", e), relative, 0);
		open_fails(&store, named("c", e), 0, -ENOENT, "outside");
	}
	store_close(&store);
}

static void symbolic_link_out_of_the_store_is_refused(void **state)
{
	struct store store;

	assert_int_equal(mkdir(scratch_path(state, "store"), 0755), 0);
	store_open(&store, scratch_path(state, "store"));
	FOR_EACH_FORMAT(e)
	{
		char path[64], child[64], relative[80], target[80];

		make_base(*state, named("out", e));
		snprintf(path, sizeof path, "store/link.%s", e);
		snprintf(target, sizeof target, "../%s", named("out", e));
		assert_int_equal(symlink(target, scratch_path(state, path)), 0);
		snprintf(child, sizeof child, "store/c.%s", e);
		snprintf(relative, sizeof relative, "./link.%s", e);
		disk_create_child(*state, child, named("out", e), relative, 0);
		open_fails(&store, named("c", e), 0, -ENOENT, "outside");
		open_fails(&store, named("link", e), 0, -EXDEV, "leads out");
	}
	store_close(&store);
}

static void other_root_directories_are_searched_by_base_name(void **state)
{
	struct root_dir roots[2];
	struct parent_cache *cache;
	struct chain *chain;

	assert_int_equal(mkdir(scratch_path(state, "store"), 0755), 0);
	assert_int_equal(mkdir(scratch_path(state, "more"), 0755), 0);
	make_base(*state, "more/m.vhdx");
	disk_create_child(*state, "store/c.vhdx", "more/m.vhdx",
			  "../gone/m.vhdx", 0);
	assert_ok(root_dir_init(&roots[0], scratch_path(state, "store")));
	assert_ok(root_dir_init(&roots[1], scratch_path(state, "more")));
	assert_ok(parent_cache_new(roots, 2, &cache));
	assert_ok(chain_open(cache, "c.vhdx", 0, &chain));
	assert_string_equal(chain_path(chain, 1),
			    scratch_path(state, "more/m.vhdx"));
	assert_ok(chain_close(chain));
	parent_cache_free(cache);
	root_dir_fini(&roots[0]);
	root_dir_fini(&roots[1]);
}

/* Sets len bytes at an offset of both footers of a VHD, and updates their
 * checksums. */
static void change_footers(const char *path, size_t at, const void *bytes,
			   size_t len)
{
	uint8_t footer[512];
	uint32_t sum = 0;
	FILE *f = fopen(path, "r+");

	assert_non_null(f);
	assert_int_equal(fread(footer, 1, sizeof footer, f), sizeof footer);
	memcpy(footer + at, bytes, len);
	put_be32(footer + 64, 0);
	for (unsigned i = 0; i < sizeof footer; i++)
		sum += footer[i];
	put_be32(footer + 64, ~sum);
	fseek(f, 0, SEEK_SET);
	fwrite(footer, 1, sizeof footer, f);
	fseek(f, -512, SEEK_END);
	fwrite(footer, 1, sizeof footer, f);
	assert_int_equal(fclose(f), 0);
}

static void cycle_of_parents_is_refused(void **state)
{
	struct store store;
	uint8_t wanted[16];
	FILE *f;

	/* A grandchild gets the identity and the name of its grandparent. */
	store_open(&store, *state);
	make_pair(*state, &store, "vhd");
	disk_create_child(*state, "grandchild.vhd", "child.vhd", "./child.vhd",
			  0);
	f = fopen(scratch_path(state, "child.vhd"), "r");
	assert_non_null(f);
	fseek(f, 512 + 40, SEEK_SET);
	assert_int_equal(fread(wanted, 1, sizeof wanted, f), sizeof wanted);
	fclose(f);
	change_footers(scratch_path(state, "grandchild.vhd"), 68, wanted,
		       sizeof wanted);
	assert_int_equal(rename(scratch_path(state, "grandchild.vhd"),
				scratch_path(state, "base.vhd")),
			 0);
	open_fails(&store, "child.vhd", 0, -ELOOP, "own parent");
	store_close(&store);
}

/* Compares chain_map at off; zeros: the length of a zero extent. */
static void maps(struct chain *chain, uint64_t off, bool zero, int depth,
		 uint64_t zeros)
{
	struct chain_extent e;

	assert_ok(chain_map(chain, off, chain_size(chain) - off, &e));
	assert_int_equal(e.zero, zero);
	assert_int_equal(e.depth, depth);
	if (zero)
		assert_int_equal(e.len, zeros);
}

/* Makes and opens a child with a disk of size bytes. */
static struct chain *open_resized(const char *dir, struct store *store,
				  const char *name, const char *parent,
				  uint64_t size)
{
	char relative[64];

	snprintf(relative, sizeof relative, "./%s", parent);
	disk_create_resized(dir, name, parent, relative, M, size);
	disk_check(dir, name);
	return disk_open(store, name, 0);
}

static void parent_of_another_disk_size_is_accepted(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain *small, *large;

		make_pair(*state, &store, e);
		small = open_resized(*state, &store, named("small", e),
				     named("base", e), M + 512);
		large = open_resized(*state, &store, named("large", e),
				     named("base", e), 9 * M + 512);
		assert_int_equal(chain_size(small), M + 512);
		maps(small, M, false, 1, 0);
		maps(large, M, false, 1, 0);
		maps(large, 3 * M, true, -1, 6 * M + 512);
		assert_ok(chain_close(small));
		assert_ok(chain_close(large));
	}
	store_close(&store);
}

/* The grandparent's disk is large, the parent's small, the child's large: the
 * grandparent's data must not be read beyond the parent's end. */
static void range_beyond_a_parents_end_reads_as_zeros(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		struct chain *chain;

		make_pair(*state, &store, e);
		assert_ok(chain_close(open_resized(*state, &store,
						   named("small", e),
						   named("base", e), M - 512)));
		chain = open_resized(*state, &store, named("large", e),
				     named("small", e), 2 * M);
		maps(chain, M, true, -1, M);
		assert_ok(chain_close(chain));
		assert_int_equal(first_byte(&store, named("child", e), M), 'b');
		assert_int_equal(first_byte(&store, named("large", e), M), 0);
	}
	store_close(&store);
}

static void children_share_one_open_parent(void **state)
{
	struct store store;

	store_open(&store, *state);
	FOR_EACH_FORMAT(e)
	{
		char relative[80];
		struct chain *a, *b;

		make_pair(*state, &store, e);
		snprintf(relative, sizeof relative, "./%s", named("base", e));
		disk_create_child(*state, named("second", e), named("base", e),
				  relative, 0);
		a = disk_open(&store, named("child", e), CHAIN_WRITABLE);
		b = disk_open(&store, named("second", e), CHAIN_WRITABLE);
		assert_ptr_equal(chain_image(a, 1), chain_image(b, 1));
		assert_ok(chain_close(a));
		assert_ok(chain_close(b));
	}
	store_close(&store);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(child_reads_its_parents_data),
		TEST(parent_opened_for_writing_and_not_written_is_accepted),
		TEST(changed_parent_is_refused),
		TEST(other_image_under_the_parents_name_is_refused),
		TEST(error_of_a_missing_parent_has_its_name),
		TEST(parent_is_found_by_its_relative_path),
		TEST(parent_is_found_in_the_childs_directory),
		TEST(parent_is_found_if_its_name_differs_in_case),
		TEST(version_of_the_parent_is_found_by_its_identity),
		TEST(only_numbered_names_are_versions_of_a_parent),
		TEST(parent_outside_the_store_is_refused),
		TEST(symbolic_link_out_of_the_store_is_refused),
		TEST(other_root_directories_are_searched_by_base_name),
		TEST(cycle_of_parents_is_refused),
		TEST(parent_of_another_disk_size_is_accepted),
		TEST(range_beyond_a_parents_end_reads_as_zeros),
		TEST(children_share_one_open_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
