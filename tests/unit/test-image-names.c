/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image-names.c: which names are images and views. */
#include "config.h"

#include "unit/unit.h"

#include <string.h>

#include "store/image-names.h"

static void image_names_have_one_of_four_endings_in_any_case(void **state)
{
	(void)state;
	static const char *const yes[] = { "a.vhd",   "a.vhdx",    "a.avhd",
					   "A.AVHDX", "a.b.VhD",   "a b.vhdx",
					   "vhd.vhd", "a.vhd.vhdx" };
	static const char *const no[] = {
		"a",          "vhd",       ".vhd",           ".a.vhd",
		"a.vhdx.raw", "a.vhd~",    "a.xvhd",         "avhdx",
		"",           ".vhdx.vhd", "a.vhdx.20240101"
	};

	for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
		assert_true(name_is_image(yes[i]));
	for (size_t i = 0; i < sizeof no / sizeof *no; i++)
		assert_false(name_is_image(no[i]));
}

static void view_name_is_image_name_and_raw(void **state)
{
	(void)state;
	size_t len = 0;

	assert_true(name_is_view("pc.VHDX.raw", &len));
	assert_int_equal(len, strlen("pc.VHDX"));
	assert_false(name_is_view("pc.vhdx", &len));
	assert_false(name_is_view("pc.vhdx.RAW", &len));
	assert_false(name_is_view("pc.raw", &len));
	assert_false(name_is_view(".vhdx.raw", &len));
	assert_false(name_is_view(".raw", &len));
}

static void last_component_follows_the_last_slash(void **state)
{
	(void)state;
	assert_string_equal(name_last("a/b/c.vhd"), "c.vhd");
	assert_string_equal(name_last("c.vhd"), "c.vhd");
	assert_string_equal(name_last("a/"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			image_names_have_one_of_four_endings_in_any_case),
		cmocka_unit_test(view_name_is_image_name_and_raw),
		cmocka_unit_test(last_component_follows_the_last_slash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
