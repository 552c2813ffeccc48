/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/printable.h"
#include "base/utf16.h"

static void crc32c_gives_the_standard_check_value(void **state)
{
	(void)state;
	/* RFC 3720 B.4 and the customary "123456789". */
	uint8_t zeros[32] = { 0 };

	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(zeros, sizeof zeros), 0x8a9136aa);
}

static void crc32c_but_takes_the_hole_as_zero(void **state)
{
	(void)state;
	uint8_t a[64], b[64];

	memset(a, 0xa5, sizeof a);
	memcpy(b, a, sizeof b);
	memset(b + 4, 0, 4);
	assert_int_equal(crc32c_but(a, sizeof a, 4), crc32c(b, sizeof b));
}

static void guid_le_swaps_the_first_three_fields(void **state)
{
	(void)state;
	uint8_t disk[16], back[16];
	char text[GUID_TEXT_SIZE];
	struct guid g;

	for (int i = 0; i < 16; i++)
		disk[i] = (uint8_t)i;
	g = guid_from_le(disk);
	assert_string_equal(guid_format(&g, text),
			    "03020100-0504-0706-0809-0a0b0c0d0e0f");
	guid_to_le(back, &g);
	assert_memory_equal(back, disk, sizeof disk);
}

static void guid_parse_takes_braces_and_any_case(void **state)
{
	(void)state;
	const char *text = "{A8D35F2D-b30b-454D-ABF7-D3D84834AB0C}";
	struct guid a, b;

	assert_int_equal(guid_parse(text, strlen(text), &a), 0);
	assert_int_equal(guid_parse(text + 1, 36, &b), 0);
	assert_true(guid_equal(&a, &b));
}

static void guid_parse_refuses_what_is_no_guid(void **state)
{
	(void)state;
	struct guid g;

	assert_int_equal(guid_parse("A8D35F2D", 8, &g), -EINVAL);
	assert_int_equal(
		guid_parse("zzzzzzzz-b30b-454D-ABF7-D3D84834AB0C", 36, &g),
		-EINVAL);
}

static void utf16_goes_there_and_back_in_both_orders(void **state)
{
	(void)state;
	const char *text = ".\\M\xc3\xbcnchen \xf0\x9f\x92\xbe.vhdx";
	_cleanup_free_ uint8_t *le = NULL, *be = NULL;
	_cleanup_free_ char *back = NULL, *back_be = NULL;
	size_t le_len, be_len;

	assert_int_equal(utf16le_encode(text, &le, &le_len), 0);
	assert_int_equal(utf16be_encode(text, &be, &be_len), 0);
	assert_int_equal(le_len, be_len);
	assert_int_equal(le[0], '.');
	assert_int_equal(be[1], '.');
	assert_int_equal(utf16le_decode(le, le_len, &back), 0);
	assert_int_equal(utf16be_decode(be, be_len, &back_be), 0);
	assert_string_equal(back, text);
	assert_string_equal(back_be, text);
}

static void utf16_decode_stops_at_a_nul(void **state)
{
	(void)state;
	_cleanup_free_ char *text = NULL;

	assert_int_equal(utf16le_decode("a\0b\0\0\0c\0", 8, &text), 0);
	assert_string_equal(text, "ab");
}

static void utf16_decode_refuses_odd_lengths_and_lone_surrogates(void **state)
{
	(void)state;
	char *text = NULL;

	assert_int_equal(utf16le_decode("a\0b", 3, &text), -EBADMSG);
	assert_int_equal(utf16le_decode("\x00\xd8", 2, &text), -EBADMSG);
}

static void an_error_is_one_line_with_all_its_parts(void **state)
{
	(void)state;
	int r = fail_found(-EBADMSG, "a.vhd", "footer", 512,
			   words("checksum 0x%x", 1), "0x%x", 2);

	assert_int_equal(r, -EBADMSG);
	error_advise("run vhdfs-img check");
	assert_string_equal(error_text(),
			    "a.vhd: footer at offset 512: expected checksum "
			    "0x1, found 0x2; run vhdfs-img check");
	assert_string_equal(error_last()->structure, "footer");
}

static void bytes_are_zero_looks_at_every_byte(void **state)
{
	(void)state;
	char buf[33] = { 0 };

	assert_true(bytes_are_zero(buf, sizeof buf));
	for (size_t i = 0; i < sizeof buf; i++) {
		buf[i] = 1;
		assert_false(bytes_are_zero(buf, sizeof buf));
		buf[i] = 0;
	}
}

static void printable_undo_reads_every_escape_back(void **state)
{
	static const char *const texts[] = {
		"plain",         "a\nb", "\033[1m",     "m\374nchen",
		"\342\200\256x", "\\x4", "back\\slash", "\\xGG\\x0A",
		"end\\x0",       "\n",
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		printable(texts[i], text, sizeof text);
		printable_undo(text);
		assert_string_equal(text, texts[i]);
	}
	strcpy(text, "a\\x00b");
	printable_undo(text);
	assert_string_equal(text, "a\\x00b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_gives_the_standard_check_value),
		cmocka_unit_test(crc32c_but_takes_the_hole_as_zero),
		cmocka_unit_test(guid_le_swaps_the_first_three_fields),
		cmocka_unit_test(guid_parse_takes_braces_and_any_case),
		cmocka_unit_test(guid_parse_refuses_what_is_no_guid),
		cmocka_unit_test(utf16_goes_there_and_back_in_both_orders),
		cmocka_unit_test(utf16_decode_stops_at_a_nul),
		cmocka_unit_test(
			utf16_decode_refuses_odd_lengths_and_lone_surrogates),
		cmocka_unit_test(an_error_is_one_line_with_all_its_parts),
		cmocka_unit_test(printable_undo_reads_every_escape_back),
		cmocka_unit_test(bytes_are_zero_looks_at_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
