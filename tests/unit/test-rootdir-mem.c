/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of chains in a root directory in memory: as in a real directory. */
#include "config.h"

#include "unit/mem-chain.h"

#include <errno.h>

static void chain_of_three_is_written_and_read(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct mem_chain f;
		struct chain *chain;
		char c[3] = "";

		mem_chain_init(&f);
		mem_chain_make_three(&f, *format);
		chain = mem_chain_open(&f, "clients/deep/grandchild",
				       CHAIN_WRITABLE);
		assert_int_equal(chain_depth(chain), 2);
		assert_string_equal(chain_path(chain, 2), "masters/base");
		assert_ok(chain_write(chain, "ab", 511, 2));
		assert_ok(chain_close(chain));
		chain = mem_chain_open(&f, "clients/deep/../deep/grandchild",
				       0);
		assert_ok(chain_read(chain, c, 511, 2));
		assert_string_equal(c, "ab");
		assert_ok(chain_close(chain));
		mem_chain_fini(&f);
	}
}

static void names_may_differ_in_case(void **state)
{
	struct mem_chain f;

	(void)state;
	mem_chain_init(&f);
	mem_chain_make_three(&f, &vhdx_ops);
	f.rootdir.files[BASE].path = "Masters/BASE";
	assert_ok(chain_close(mem_chain_open(&f, "clients/child", 0)));
	mem_chain_fini(&f);
}

static void children_share_one_open_parent(void **state)
{
	struct mem_chain f;
	struct chain *a, *b;

	(void)state;
	mem_chain_init(&f);
	mem_chain_make_three(&f, &vhd_ops);
	a = mem_chain_open(&f, "clients/child", 0);
	b = mem_chain_open(&f, "clients/deep/grandchild", 0);
	assert_ptr_equal(chain_image(a, 1), chain_image(b, 2));
	assert_ok(chain_close(a));
	assert_ok(chain_close(b));
	mem_chain_fini(&f);
}

static void paths_outside_are_refused(void **state)
{
	struct mem_chain f;

	(void)state;
	mem_chain_init(&f);
	mem_chain_make_three(&f, &vhdx_ops);
	mem_chain_make_child(&f, &vhdx_ops, CHILD, BASE, "../../masters/base");
	mem_chain_fails(&f, "clients/child", -ENOENT, "lies outside");
	mem_chain_fails(&f, "clients/../../masters/base", -EXDEV, "leads out");
	mem_chain_fails(&f, "/masters/base", -EXDEV, "leads out");
	mem_chain_fails(&f, "masters/other", -ENOENT, "masters/other");
	mem_chain_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chain_of_three_is_written_and_read),
		cmocka_unit_test(names_may_differ_in_case),
		cmocka_unit_test(children_share_one_open_parent),
		cmocka_unit_test(paths_outside_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
