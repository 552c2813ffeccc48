/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of vhdfs/base: checksums, GUIDs, text conversion and escaping, errors.
 */
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

/* Both implementations; isa-l may be missing, then they are the same. */
static void assert_crc32c(const void *buf, size_t len, uint32_t sum)
{
	assert_int_equal(crc32c(buf, len), sum);
	assert_int_equal(
		crc32c_end(crc32c_add_by_table(CRC32C_START, buf, len)), sum);
}

static void crc32c_gives_the_standard_check_values(void **state)
{
	(void)state;
	/* RFC 3720 B.4, and the usual "123456789". */
	uint8_t buf[32] = { 0 };

	assert_crc32c("", 0, 0);
	assert_crc32c("123456789", 9, 0xe3069283);
	assert_crc32c(buf, sizeof buf, 0x8a9136aa);
	memset(buf, 0xff, sizeof buf);
	assert_crc32c(buf, sizeof buf, 0x62a8ab43);
	for (int i = 0; i < 32; i++)
		buf[i] = (uint8_t)i;
	assert_crc32c(buf, sizeof buf, 0x46dd794e);
	for (int i = 0; i < 32; i++)
		buf[i] = (uint8_t)(31 - i);
	assert_crc32c(buf, sizeof buf, 0x113fdb5c);
}

static void crc32c_by_table_equals_isal(void **state)
{
	(void)state;
	uint64_t seed = seed_from_environment();
	uint8_t buf[1024];

	for (size_t i = 0; i < sizeof buf; i++)
		buf[i] = (uint8_t)random_next(&seed);
	for (size_t off = 0; off < 16; off++)
		for (size_t len = 0; off + len <= sizeof buf; len++)
			assert_crc32c(buf + off, len, crc32c(buf + off, len));
}

static void crc32c_of_pieces_equals_that_of_the_whole(void **state)
{
	(void)state;
	const char text[] = "The quick brown fox jumps over the lazy dog";
	size_t len = sizeof text - 1;

	for (size_t i = 0; i <= len; i++) {
		uint32_t sum = crc32c_add(CRC32C_START, text, i);

		sum = crc32c_add_by_table(sum, text + i, len - i);
		assert_int_equal(crc32c_end(sum), crc32c(text, len));
	}
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

static void guid_parse_accepts_braces_and_any_case(void **state)
{
	(void)state;
	const char *text = "{A8D35F2D-b30b-454D-ABF7-D3D84834AB0C}";
	struct guid a, b;

	assert_int_equal(guid_parse(text, strlen(text), &a), 0);
	assert_int_equal(guid_parse(text + 1, 36, &b), 0);
	assert_true(guid_equal(&a, &b));
}

static void guid_parse_refuses_invalid_text(void **state)
{
	(void)state;
	struct guid g;

	assert_int_equal(guid_parse("A8D35F2D", 8, &g), -EINVAL);
	assert_int_equal(
		guid_parse("zzzzzzzz-b30b-454D-ABF7-D3D84834AB0C", 36, &g),
		-EINVAL);
}

static void utf16_round_trips_in_both_byte_orders(void **state)
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

static void error_text_is_one_line_with_all_parts(void **state)
{
	(void)state;
	int r = fail_found(-EBADMSG, "a.vhd", "footer", 512,
			   format_arg("checksum 0x%x", 1), "0x%x", 2);

	assert_int_equal(r, -EBADMSG);
	error_advise("run vhdfs-img check");
	assert_string_equal(error_text(),
			    "a.vhd: footer at offset 512: expected checksum "
			    "0x1, found 0x2; run vhdfs-img check");
	assert_string_equal(error_last()->structure, "footer");
}

static void format_or_lists_words(void **state)
{
	char text[1000];

	(void)state;
	assert_string_equal(format_or("a b c"), "a, b or c");
	assert_string_equal(format_or("a b"), "a or b");
	assert_string_equal(format_or("a"), "a");
	assert_string_equal(format_or(""), "");
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_int_equal(strlen(format_or(text)), 155);
}

static void shell_word_quotes_special_characters(void **state)
{
	char text[5000];

	(void)state;
	assert_string_equal(shell_word("/srv/a-b_1.vhdx"), "/srv/a-b_1.vhdx");
	assert_string_equal(shell_word("/srv/a b"), "'/srv/a b'");
	assert_string_equal(shell_word("it's;$(x)"), "'it'\\''s;$(x)'");
	assert_string_equal(shell_word(""), "''");
	assert_string_equal(shell_path("/s", "b c"), "'/s/b c'");
	/* Longer text is truncated inside the quotes. */
	memset(text, '\'', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_true(strlen(shell_word(text)) < 4096);
	assert_string_equal(strchr(shell_word(text), '\0') - 2, "''");
}

static void bytes_are_zero_checks_every_byte(void **state)
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

static void printable_undo_reverses_every_escape(void **state)
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

static void assert_printed(const char *text, const char *shown)
{
	char buf[256];
	_cleanup_free_ char *copy = printable_copy(text);

	assert_string_equal(printable(text, buf, sizeof buf), shown);
	assert_string_equal(copy, shown);
	printable_in_place(buf, sizeof buf);
	assert_string_equal(buf, shown);
}

static void printable_keeps_printable_text(void **state)
{
	(void)state;
	assert_printed("", "");
	assert_printed("a \\x0a b\\", "a \\x0a b\\");
	assert_printed("M\xc3\xbcnchen \xe6\x97\xa5 \xf0\x9f\x92\xbe",
		       "M\xc3\xbcnchen \xe6\x97\xa5 \xf0\x9f\x92\xbe");
}

static void printable_escapes_control_characters(void **state)
{
	(void)state;
	assert_printed("a\nb\r\tc", "a\\x0ab\\x0d\\x09c");
	assert_printed("\x1b[2J\x7f", "\\x1b[2J\\x7f");
	/* C1: U+0080, CSI, U+009F.  U+00A0 is not a control character. */
	assert_printed("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0",
		       "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0");
}

static void printable_escapes_invalid_utf8(void **state)
{
	(void)state;
	/* Invalid bytes, truncated characters, overlong forms. */
	assert_printed("\xff\xfe\x80z", "\\xff\\xfe\\x80z");
	assert_printed("\xe2\x82", "\\xe2\\x82");
	assert_printed("\xe2\x82z", "\\xe2\\x82z");
	assert_printed("\xc0\xaf\xe0\x80\x8a", "\\xc0\\xaf\\xe0\\x80\\x8a");
	assert_printed("\xf0\x80\x80\x8a", "\\xf0\\x80\\x80\\x8a");
	/* A surrogate, and a code point above U+10FFFF. */
	assert_printed("\xed\xa0\x80", "\\xed\\xa0\\x80");
	assert_printed("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
	assert_printed("\xed\x9f\xbf\xf4\x8f\xbf\xbf",
		       "\xed\x9f\xbf\xf4\x8f\xbf\xbf");
}

/* Encodes c, from U+0800 to U+FFFF, in three bytes. */
static void put_character(char *text, unsigned c)
{
	text[0] = (char)(0xe0 | c >> 12);
	text[1] = (char)(0x80 | (c >> 6 & 0x3f));
	text[2] = (char)(0x80 | (c & 0x3f));
	text[3] = '\0';
}

static void printable_escapes_invisible_and_reordering_characters(void **state)
{
	(void)state;
	static const unsigned ranges[][2] = { { 0x200b, 0x200f },
					      { 0x2028, 0x202e },
					      { 0x2060, 0x206f },
					      { 0xfeff, 0xfeff } };
	char text[4], shown[16];

	assert_printed("a\xd8\x9c", "a\\xd8\\x9c");
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		for (unsigned c = ranges[i][0]; c <= ranges[i][1]; c++) {
			put_character(text, c);
			snprintf(shown, sizeof shown, "\\x%02x\\x%02x\\x%02x",
				 (unsigned char)text[0], (unsigned char)text[1],
				 (unsigned char)text[2]);
			assert_printed(text, shown);
		}
		put_character(text, ranges[i][0] - 1);
		assert_printed(text, text);
		put_character(text, ranges[i][1] + 1);
		assert_printed(text, text);
	}
}

static void printable_truncates_between_characters(void **state)
{
	(void)state;
	char buf[8];

	assert_string_equal(printable("abcdefgh", buf, 5), "abcd");
	assert_string_equal(printable("abc\n", buf, 7), "abc");
	assert_string_equal(printable("abc\n", buf, 8), "abc\\x0a");
	assert_string_equal(printable("abc\xc3\xbc", buf, 5), "abc");
	assert_string_equal(printable("abc\xc3\xbc", buf, 6), "abc\xc3\xbc");
	assert_string_equal(printable("abc", buf, 1), "");
}

static void print_line_prints_one_line(void **state)
{
	(void)state;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	print_line(f, "%s: %d", "a\nb\x1b", 7);
	fclose(f);
	assert_string_equal(text, "a\\x0ab\\x1b: 7\n");
}

static void print_json_text_escapes_as_json(void **state)
{
	(void)state;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	print_json_text(f, "{\n\t\"\xc3\xbc\": \"\x7f\xc2\x9b\xe2\x80\xae\"}");
	fclose(f);
	assert_string_equal(text,
			    "{\n\t\"\xc3\xbc\": \"\\u007f\\u009b\\u202e\"}");
}

static void error_text_is_printable(void **state)
{
	(void)state;
	fail(-EIO, "%s: gone", "a\nb");
	error_advise("see %s", "\x1b[2J");
	assert_string_equal(error_text(), "a\\x0ab: gone; see \\x1b[2J");
	fail_found(-EBADMSG, "a\nb", "locator", 7, "a path", "%s", "\x1b\xff");
	assert_string_equal(
		error_text(),
		"a\\x0ab: locator at offset 7: expected a path, found \\x1b\\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_gives_the_standard_check_values),
		cmocka_unit_test(crc32c_by_table_equals_isal),
		cmocka_unit_test(crc32c_of_pieces_equals_that_of_the_whole),
		cmocka_unit_test(crc32c_but_takes_the_hole_as_zero),
		cmocka_unit_test(guid_le_swaps_the_first_three_fields),
		cmocka_unit_test(guid_parse_accepts_braces_and_any_case),
		cmocka_unit_test(guid_parse_refuses_invalid_text),
		cmocka_unit_test(utf16_round_trips_in_both_byte_orders),
		cmocka_unit_test(utf16_decode_stops_at_a_nul),
		cmocka_unit_test(
			utf16_decode_refuses_odd_lengths_and_lone_surrogates),
		cmocka_unit_test(error_text_is_one_line_with_all_parts),
		cmocka_unit_test(format_or_lists_words),
		cmocka_unit_test(printable_undo_reverses_every_escape),
		cmocka_unit_test(shell_word_quotes_special_characters),
		cmocka_unit_test(bytes_are_zero_checks_every_byte),
		cmocka_unit_test(printable_keeps_printable_text),
		cmocka_unit_test(printable_escapes_control_characters),
		cmocka_unit_test(printable_escapes_invalid_utf8),
		cmocka_unit_test(
			printable_escapes_invisible_and_reordering_characters),
		cmocka_unit_test(printable_truncates_between_characters),
		cmocka_unit_test(print_line_prints_one_line),
		cmocka_unit_test(print_json_text_escapes_as_json),
		cmocka_unit_test(error_text_is_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
