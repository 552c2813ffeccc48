/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains over a place in memory behave as over a directory. */
#include "config.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "format/vhd.h"
#include "format/vhdx.h"
#include "unit/place-mem.h"

#define M (UINT64_C(1) << 20)

enum { BASE, CHILD, GRANDCHILD, FILES };

struct fixture {
	struct mem_file files[FILES];
	struct place_mem place;
	struct family *family;
};

static const struct image_ops *const formats[] = { &vhd_ops, &vhdx_ops };
#define FOR_EACH_FORMAT(f) \
	for (const struct image_ops *const *f = formats; f < formats + 2; f++)

static void fixture_init(struct fixture *f)
{
	for (int i = 0; i < FILES; i++)
		mem_file_init(&f->files[i]);
	place_mem_init(&f->place);
	assert_ok(family_new(&f->place.place, 1, &f->family));
}

static void fixture_fini(struct fixture *f)
{
	family_free(f->family);
	for (int i = 0; i < FILES; i++)
		mem_file_fini(&f->files[i]);
}

static void make(struct mem_file *file, const struct image_ops *format,
		 struct image_params *params)
{
	struct io *io;

	assert_ok(io_mem_open(file, "new", true, &io));
	assert_ok(image_params_complete(format, params));
	assert_ok(image_create(io, format, params));
	io_close(io);
}

/* Makes file number child of file number parent, which it names relative. */
static void make_child(struct fixture *f, const struct image_ops *format,
		       int child, int parent, const char *relative)
{
	struct image_params params = { .type = IMAGE_DIFFERENCING,
				       .parent_relative = relative,
				       .parent_absolute = "/gone/away" };
	struct image *img;
	struct io *io;

	assert_ok(io_mem_open(&f->files[parent], "parent", false, &io));
	assert_ok(image_open(io, format, &img));
	params.parent = img;
	make(&f->files[child], format, &params);
	image_close(img);
}

/* masters/base, its child clients/child, and clients/deep/grandchild. */
static void make_three(struct fixture *f, const struct image_ops *format)
{
	make(&f->files[BASE], format,
	     &(struct image_params){ .type = IMAGE_DYNAMIC, .size = 4 * M });
	make_child(f, format, CHILD, BASE, "../masters/base");
	make_child(f, format, GRANDCHILD, CHILD, "./../child");
	place_mem_add(&f->place, "masters/base", &f->files[BASE]);
	place_mem_add(&f->place, "clients/child", &f->files[CHILD]);
	place_mem_add(&f->place, "clients/deep/grandchild",
		      &f->files[GRANDCHILD]);
}

static struct chain *open_chain(struct fixture *f, const char *path, int flags)
{
	struct chain *chain = NULL;

	assert_ok(chain_open(f->family, path, flags, &chain));
	return chain;
}

static void opening_fails(struct fixture *f, const char *path, int code,
			  const char *text)
{
	struct chain *chain;

	assert_errno(chain_open(f->family, path, 0, &chain), code);
	if (!strstr(error_text(), text)) {
		print_error("expected a message with \"%s\", found \"%s\"\n",
			    text, error_text());
		_fail(__FILE__, __LINE__);
	}
}

static void a_chain_of_three_is_written_and_read(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct fixture f;
		struct chain *chain;
		char c[3] = "";

		fixture_init(&f);
		make_three(&f, *format);
		chain = open_chain(&f, "clients/deep/grandchild",
				   CHAIN_WRITABLE);
		assert_int_equal(chain_depth(chain), 2);
		assert_string_equal(chain_path(chain, 2), "masters/base");
		assert_ok(chain_write(chain, "ab", 511, 2));
		assert_ok(chain_close(chain));
		chain = open_chain(&f, "clients/deep/../deep/grandchild", 0);
		assert_ok(chain_read(chain, c, 511, 2));
		assert_string_equal(c, "ab");
		assert_ok(chain_close(chain));
		fixture_fini(&f);
	}
}

static void names_may_differ_in_case(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_three(&f, &vhdx_ops);
	f.place.files[BASE].path = "Masters/BASE";
	assert_ok(chain_close(open_chain(&f, "clients/child", 0)));
	fixture_fini(&f);
}

static void children_share_one_open_parent(void **state)
{
	struct fixture f;
	struct chain *a, *b;

	(void)state;
	fixture_init(&f);
	make_three(&f, &vhd_ops);
	a = open_chain(&f, "clients/child", 0);
	b = open_chain(&f, "clients/deep/grandchild", 0);
	assert_ptr_equal(chain_image(a, 1), chain_image(b, 2));
	assert_ok(chain_close(a));
	assert_ok(chain_close(b));
	fixture_fini(&f);
}

/* Gives to the identifier of from, in both its footers. */
static void take_identity(struct mem_file *to, const struct mem_file *from)
{
	uint8_t footer[512];
	uint32_t sum = 0;

	mem_file_peek(to, footer, sizeof footer, 0);
	mem_file_peek(from, footer + 68, 16, 68);
	put_be32(footer + 64, 0);
	for (size_t i = 0; i < sizeof footer; i++)
		sum += footer[i];
	put_be32(footer + 64, ~sum);
	mem_file_poke(to, footer, sizeof footer, 0);
	mem_file_poke(to, footer, sizeof footer, to->size - sizeof footer);
}

static void a_cycle_is_seen(void **state)
{
	struct fixture f;

	/* The child's child passes for the child's parent. */
	(void)state;
	fixture_init(&f);
	make(&f.files[BASE], &vhd_ops,
	     &(struct image_params){ .type = IMAGE_DYNAMIC, .size = 4 * M });
	make_child(&f, &vhd_ops, CHILD, BASE, "./grandchild");
	make_child(&f, &vhd_ops, GRANDCHILD, CHILD, "./child");
	take_identity(&f.files[GRANDCHILD], &f.files[BASE]);
	place_mem_add(&f.place, "child", &f.files[CHILD]);
	place_mem_add(&f.place, "grandchild", &f.files[GRANDCHILD]);
	opening_fails(&f, "child", -ELOOP, "own parent");
	fixture_fini(&f);
}

static void nothing_leads_out(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f);
	make_three(&f, &vhdx_ops);
	make_child(&f, &vhdx_ops, CHILD, BASE, "../../masters/base");
	opening_fails(&f, "clients/child", -ENOENT, "lies outside");
	opening_fails(&f, "clients/../../masters/base", -EXDEV, "leads out");
	opening_fails(&f, "/masters/base", -EXDEV, "leads out");
	opening_fails(&f, "masters/other", -ENOENT, "masters/other");
	fixture_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_chain_of_three_is_written_and_read),
		cmocka_unit_test(names_may_differ_in_case),
		cmocka_unit_test(children_share_one_open_parent),
		cmocka_unit_test(a_cycle_is_seen),
		cmocka_unit_test(nothing_leads_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
