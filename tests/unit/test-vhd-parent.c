/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reference of a differencing VHD to its parent, in each form. */
#include "config.h"

#include "unit/unit.h"
#include "unit/vhd-tool.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

/* Clears the parent name and all locators of the header. */
static void clear_names(struct mem_file *file)
{
	for (unsigned at = HEADER_PARENT_NAME; at < HEADER_SIZE; at += 8)
		vhd_set_header(file, at, 8, 0);
}

/* Sets the locator of a slot, with its text at 0x4000 + 0x400 * slot. */
static void put_locator(struct mem_file *file, unsigned slot, uint32_t code,
			const void *text, size_t len)
{
	unsigned at = HEADER_LOCATORS + slot * LOCATOR_SIZE;
	uint64_t off = 0x4000 + 0x400 * slot;

	mem_file_poke(file, text, len, off);
	vhd_set_header(file, at + LOCATOR_CODE, 4, code);
	vhd_set_header(file, at + LOCATOR_SPACE, 4, 512);
	vhd_set_header(file, at + LOCATOR_LENGTH, 4, len);
	vhd_set_header(file, at + LOCATOR_OFFSET, 8, off);
}

static void assert_names(struct mem_file *file, const char *relative,
			 const char *basename)
{
	struct image *img = vhd_open_file(file, false);
	struct parent_ref ref;

	assert_ok(image_parent(img, &ref));
	if (relative)
		assert_string_equal(ref.relative, relative);
	else
		assert_null(ref.relative);
	if (basename)
		assert_string_equal(ref.basename, basename);
	else
		assert_null(ref.basename);
	parent_ref_fini(&ref);
	assert_ok(image_close(img));
}

static void new_child_refers_to_its_parent(void **state)
{
	vhd_make(*state, IMAGE_DIFFERENCING, MIB(4), 0);
	assert_names(*state, "./parent.vhd", "parent.vhd");
}

static void each_locator_code_is_read_in_each_slot(void **state)
{
	static const struct {
		uint32_t code;
		const char *text;
		size_t len;
		const char *relative, *basename;
	} forms[] = {
		{ LOCATOR_W2RU, ".\0\\\0a\0", 6, "./a", NULL },
		{ LOCATOR_W2RU, ".\0.\0\\\0d\0\\\0a\0", 12, "../d/a", NULL },
		{ LOCATOR_W2RU, "a\0\0\0", 4, "a", NULL }, /* trailing NUL */
		{ LOCATOR_W2RU, "C\0:\0\\\0a\0", 8, NULL, "a" },
		{ LOCATOR_W2KU, "C\0:\0\\\0d\0\\\0\xe4\0", 12, NULL,
		  "\xc3\xa4" },
		{ LOCATOR_WI2R, ".\\old.vhd", 9, "./old.vhd", NULL },
		{ LOCATOR_WI2K, "D:\\x\\\xe4.vhd", 10, NULL, "\xc3\xa4.vhd" },
		{ LOCATOR_MACX, "file://localhost/d/a%20b.vhd", 28, NULL,
		  "a b.vhd" },
		{ LOCATOR_MACX, "file:///d/100%.vhd", 18, NULL, "100%.vhd" },
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		for (unsigned slot = 0; slot < LOCATOR_SLOTS; slot++) {
			mem_file_resize(*state, 0);
			vhd_make(*state, IMAGE_DIFFERENCING, MIB(4), 0);
			clear_names(*state);
			put_locator(*state, slot, forms[i].code, forms[i].text,
				    forms[i].len);
			assert_names(*state, forms[i].relative,
				     forms[i].basename);
		}
	}
}

static void unicode_locators_are_preferred(void **state)
{
	vhd_make(*state, IMAGE_DIFFERENCING, MIB(4), 0);
	clear_names(*state);
	put_locator(*state, 0, LOCATOR_WI2K, "C:\\old", 6);
	put_locator(*state, 1, LOCATOR_WI2R, ".\\old", 5);
	put_locator(*state, 2, 0x4d616320, "an alias", 8);
	put_locator(*state, 6, LOCATOR_W2KU, "n\0", 2);
	put_locator(*state, 7, LOCATOR_W2RU, ".\0\\\0n\0", 6);
	assert_names(*state, "./n", "n");
}

static void undecodable_locator_is_skipped(void **state)
{
	vhd_make(*state, IMAGE_DIFFERENCING, MIB(4), 0);
	clear_names(*state);
	put_locator(*state, 0, LOCATOR_W2RU,
		    "\0\xd8"
		    "a\0",
		    4);
	put_locator(*state, 1, LOCATOR_W2RU, "b\0", 2);
	assert_names(*state, "b", NULL);
}

static void name_in_the_header_is_used_last(void **state)
{
	vhd_make(*state, IMAGE_DIFFERENCING, MIB(4), 0);
	clear_names(*state);
	vhd_set_header(*state, HEADER_PARENT_NAME, 8, 0x0043003a005c0070);
	assert_names(*state, NULL, "p");
}

static void child_without_a_parent_name_is_refused(void **state)
{
	struct parent_ref ref;
	struct image *img;

	vhd_make(*state, IMAGE_DIFFERENCING, MIB(4), 0);
	clear_names(*state);
	img = vhd_open_file(*state, false);
	assert_errno(image_parent(img, &ref), -EBADMSG);
	assert_non_null(strstr(error_text(), "parent locators"));
	assert_ok(image_close(img));
	/* ".." is no file name. */
	put_locator(*state, 0, LOCATOR_W2KU, "a\0\\\0.\0.\0", 8);
	img = vhd_open_file(*state, false);
	assert_errno(image_parent(img, &ref), -EBADMSG);
	assert_ok(image_close(img));
}

/* Creates a child with these paths of its parent; returns the result. */
static int create_child(struct mem_file *file, const char *relative,
			const char *absolute)
{
	struct io parent_io = { .name = (char *)"parent.vhd" }, *io;
	struct image parent = { .ops = &vhd_ops,
				.io = &parent_io,
				.size = MIB(4),
				.sector_size = 512,
				.id = guid_random() };
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .parent = &parent,
				       .parent_relative = relative,
				       .parent_absolute = absolute };
	int r;

	mem_file_resize(file, 0);
	assert_ok(io_mem_open(file, "test.vhd", true, &io));
	r = image_create(io, &vhd_ops, &params);
	io_close(io);
	return r;
}

static void written_path_is_read_back(void **state)
{
	static char deep[4000], expected[4100];

	assert_ok(create_child(*state, "../masters/w\xc3\xb6rld.vhd",
			       "/s/masters/w\xc3\xb6rld.vhd"));
	assert_names(*state, "../masters/w\xc3\xb6rld.vhd", "w\xc3\xb6rld.vhd");
	assert_ok(create_child(*state, "plain.vhd", "/s/plain.vhd"));
	assert_names(*state, "./plain.vhd", "plain.vhd");
	/* Longer than the space that Windows reserves for a locator. */
	for (size_t i = 0; i + 5 < sizeof deep; i += 5)
		strcat(deep, "/deep");
	strcat(deep, "/p");
	assert_ok(create_child(*state, deep + 1, deep));
	snprintf(expected, sizeof expected, ".%s", deep);
	assert_names(*state, expected, "p");
	vhd_assert_clean(*state);
}

static void path_too_long_for_the_header_is_stored_as_base_name(void **state)
{
	char path[400] = "/";
	uint8_t name[HEADER_PARENT_NAME_SIZE];

	memset(path + 1, 'd', 300);
	strcpy(path + 301, "/p");
	assert_ok(create_child(*state, "./p", path));
	mem_file_peek(*state, name, sizeof name, 512 + HEADER_PARENT_NAME);
	assert_memory_equal(name, "\0p\0\0", 4);
}

static void path_with_a_backslash_is_refused(void **state)
{
	assert_errno(create_child(*state, "a\\b", "/s/a\\b"), -EINVAL);
	assert_non_null(strstr(error_text(), "\\"));
}

#define IN_MEMORY(f) \
	cmocka_unit_test_setup_teardown(f, vhd_file_setup, vhd_file_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_MEMORY(new_child_refers_to_its_parent),
		IN_MEMORY(each_locator_code_is_read_in_each_slot),
		IN_MEMORY(unicode_locators_are_preferred),
		IN_MEMORY(undecodable_locator_is_skipped),
		IN_MEMORY(name_in_the_header_is_used_last),
		IN_MEMORY(child_without_a_parent_name_is_refused),
		IN_MEMORY(written_path_is_read_back),
		IN_MEMORY(path_too_long_for_the_header_is_stored_as_base_name),
		IN_MEMORY(path_with_a_backslash_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
