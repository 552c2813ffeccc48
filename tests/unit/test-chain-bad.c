/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chains that are refused although each image of them is valid: errors, and the
 * structure and offset in their messages. */
#include "config.h"

#include "unit/mem-chain.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "format/vhd-internal.h"
#include "format/vhdx-layout.h"

/* The offset of the metadata's items in VHDX files of mem_chain_make. */
#define META_ITEMS (2 * M + VHDX_META_TABLE_SIZE)
enum { ITEM_SIZE = 8, ITEM_LSS = 16, ITEM_LOCATOR = 48 };

/* Sets len bytes of both footers of a VHD, and updates their checksums. */
static void set_footers(struct mem_file *file, unsigned at, const void *bytes,
			size_t len)
{
	uint8_t footer[FOOTER_SIZE];

	mem_file_peek(file, footer, sizeof footer, 0);
	memcpy(footer + at, bytes, len);
	vhd_footer_seal(footer);
	mem_file_poke(file, footer, sizeof footer, 0);
	mem_file_poke(file, footer, sizeof footer, file->size - FOOTER_SIZE);
}

/* The same for both headers of a VHDX. */
static void set_headers(struct mem_file *file, unsigned at, const void *bytes,
			size_t len)
{
	for (int slot = 0; slot < 2; slot++) {
		uint64_t off = VHDX_HEADER_OFFSET(slot);
		uint8_t header[VHDX_HEADER_SIZE];

		mem_file_peek(file, header, sizeof header, off);
		memcpy(header + at, bytes, len);
		put_le32(header + VHDX_HEADER_CRC,
			 crc32c_but(header, sizeof header, VHDX_HEADER_CRC));
		mem_file_poke(file, header, sizeof header, off);
	}
}

/* Gives to the identity of from, so that from's children accept it. */
static void take_identity(const struct image_ops *format, struct mem_file *to,
			  const struct mem_file *from)
{
	uint8_t id[16];

	if (format == &vhd_ops) {
		mem_file_peek(from, id, sizeof id, FOOTER_ID);
		set_footers(to, FOOTER_ID, id, sizeof id);
	} else {
		mem_file_peek(from, id, sizeof id,
			      VHDX_HEADER_OFFSET(1) + VHDX_HEADER_DATA_GUID);
		set_headers(to, VHDX_HEADER_DATA_GUID, id, sizeof id);
	}
}

/* The child does not open; the message is about its parent locator. */
static void parent_is_refused(struct mem_chain *f,
			      const struct image_ops *format, const char *text)
{
	uint64_t at = format == &vhd_ops ? FOOTER_SIZE + HEADER_PARENT_ID
					 : META_ITEMS + ITEM_LOCATOR;

	mem_chain_fails(f, "clients/child", -ESTALE, text);
	assert_string_equal(error_last()->structure, "parent locator");
	assert_int_equal(error_last()->offset, at);
	mem_chain_fails(f, "clients/deep/grandchild", -ESTALE, text);
}

static void parent_with_another_identity_is_refused(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		static const uint8_t other[16] = { 1, 2, 3 };
		struct mem_chain f;

		mem_chain_init(&f);
		mem_chain_make_three(&f, *format);
		if (*format == &vhd_ops)
			set_footers(&f.files[BASE], FOOTER_ID, other, 16);
		else
			set_headers(&f.files[BASE], VHDX_HEADER_DATA_GUID,
				    other, 16);
		parent_is_refused(&f, *format, "a parent with the identifier");
		mem_chain_fini(&f);
	}
}

static void parent_with_another_sector_size_is_refused(void **state)
{
	struct mem_chain f;
	uint8_t size[4];

	(void)state;
	mem_chain_init(&f);
	mem_chain_make_three(&f, &vhdx_ops);
	put_le32(size, 4096);
	mem_file_poke(&f.files[BASE], size, sizeof size, META_ITEMS + ITEM_LSS);
	parent_is_refused(&f, &vhdx_ops,
			  "sectors of 512 bytes, as the child's");
	mem_chain_fini(&f);
}

static void cycle_of_parents_is_refused(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct mem_chain f;

		/* The grandchild gets the identity of the child's parent. */
		mem_chain_init(&f);
		mem_chain_make(&f.files[BASE], *format,
			       &(struct image_params){ .type = IMAGE_DYNAMIC,
						       .size = 4 * M });
		mem_chain_make_child(&f, *format, CHILD, BASE, "./grandchild");
		mem_chain_make_child(&f, *format, GRANDCHILD, CHILD, "./child");
		take_identity(*format, &f.files[GRANDCHILD], &f.files[BASE]);
		rootdir_mem_add(&f.rootdir, "child", &f.files[CHILD]);
		rootdir_mem_add(&f.rootdir, "grandchild", &f.files[GRANDCHILD]);
		mem_chain_fails(&f, "child", -ELOOP, "own parent, 2 images up");
		mem_chain_fini(&f);
	}
}

/* The VHD driver detects it before the search for the parent; for a VHDX the
 * chain detects it. */
static void image_that_is_its_own_parent_is_refused(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct mem_chain f;

		mem_chain_init(&f);
		mem_chain_make(&f.files[BASE], *format,
			       &(struct image_params){ .type = IMAGE_DYNAMIC,
						       .size = 4 * M });
		mem_chain_make_child(&f, *format, CHILD, BASE, "./child");
		take_identity(*format, &f.files[CHILD], &f.files[BASE]);
		rootdir_mem_add(&f.rootdir, "child", &f.files[CHILD]);
		mem_chain_fails(&f, "child", -ELOOP,
				*format == &vhd_ops ? "this image's own"
						    : "own parent, 1 images");
		mem_chain_fini(&f);
	}
}

/* The message is about the parent's file, not about the child's. */
static void error_of_a_malformed_parent_names_the_parent(void **state)
{
	(void)state;
	FOR_EACH_FORMAT(format)
	{
		struct mem_chain f;
		uint64_t at = *format == &vhd_ops ? 512 : 2 * M;

		mem_chain_init(&f);
		mem_chain_make_three(&f, *format);
		mem_file_poke(&f.files[BASE], "x", 1, at);
		mem_chain_fails(&f, "clients/child", -EBADMSG, "masters/base");
		assert_int_equal(error_last()->offset, at);
		mem_chain_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parent_with_another_identity_is_refused),
		cmocka_unit_test(parent_with_another_sector_size_is_refused),
		cmocka_unit_test(cycle_of_parents_is_refused),
		cmocka_unit_test(image_that_is_its_own_parent_is_refused),
		cmocka_unit_test(error_of_a_malformed_parent_names_the_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
