/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Escaping of untrusted text for output. */
#include "config.h"

#include "base/printable.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "base/cleanup.h"

enum {
	IN_PLACE_MAX = 1024,
	ESCAPED_MAX = 4 * 4 + 1, /* a character of four bytes, escaped; NUL */
};

/* Decodes the UTF-8 character at s; returns its length in bytes, 0 if invalid.
 */
static size_t decode(const unsigned char *s, ucs4_t *ret)
{
	const int n = u8_strmbtouc(ret, s);

	return n > 0 ? (size_t)n : 0;
}

/* True for a visible character that does not change the order of the text. */
static bool is_plain(ucs4_t c)
{
	static const uint32_t others[][2] = {
		{ 0, 0x1f },        { 0x7f, 0x9f },     /* C0, DEL, C1 */
		{ 0x61c, 0x61c },   { 0x200b, 0x200f }, /* zero width, marks */
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, /* lines, directions */
		{ 0xfeff, 0xfeff },
	};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (c >= others[i][0] && c <= others[i][1])
			return false;
	return true;
}

/*
 * Escapes the character at s, or one byte if that is not part of a character:
 * *ret_len bytes in ret.  Returns the number of bytes consumed.
 */
static size_t escape_one(const unsigned char *s, char ret[ESCAPED_MAX],
			 size_t *ret_len)
{
	ucs4_t c = 0;
	size_t n = decode(s, &c), len = n ? n : 1;

	if (n && is_plain(c)) {
		memcpy(ret, s, len);
		*ret_len = len;
		return len;
	}
	for (size_t i = 0; i < len; i++)
		snprintf(ret + 4 * i, 5, "\\x%02x", s[i]);
	*ret_len = 4 * len;
	return len;
}

char *printable(const char *text, char *buf, size_t size)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t used = 0;

	while (*s) {
		char escaped[ESCAPED_MAX];
		size_t n, len = escape_one(s, escaped, &n);

		if (used + n >= size)
			break;
		memcpy(buf + used, escaped, n);
		used += n;
		s += len;
	}
	buf[used] = '\0';
	return buf;
}

char *printable_copy(const char *text)
{
	size_t size = 4 * strlen(text) + 1;
	char *copy = malloc(size);

	return copy ? printable(text, copy, size) : NULL;
}

/* The byte of the escape at text; 0 if text does not begin with an escape. */
static unsigned char unescape_one(const char *text)
{
	if (strncmp(text, "\\x", 2) != 0 ||
	    strspn(text + 2, "0123456789abcdef") < 2)
		return 0;
	return (unsigned char)strtoul((char[]){ text[2], text[3], '\0' }, NULL,
				      16);
}

void printable_undo(char *text)
{
	char *to = text;

	for (const char *s = text; *s; to++) {
		unsigned char byte = unescape_one(s);

		*to = byte ? (char)byte : *s;
		s += byte ? 4 : 1;
	}
	*to = '\0';
}

void printable_in_place(char *text, size_t size)
{
	char copy[IN_PLACE_MAX];

	snprintf(copy, sizeof copy, "%s", text);
	printable(copy, text, size);
}

void print_line(FILE *f, const char *fmt, ...)
{
	/* Enough for a message with two paths.  Only longer lines allocate, so
	 * that "out of memory" can always be printed. */
	char line[3 * 4096], escaped[4 * sizeof line];
	_cleanup_free_ char *all = NULL, *all_escaped = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof line) {
		va_start(ap, fmt);
		if (vasprintf(&all, fmt, ap) < 0)
			all = NULL;
		va_end(ap);
		all_escaped = all ? printable_copy(all) : NULL;
	}
	fprintf(f, "%s\n",
		all_escaped ? all_escaped
			    : printable(line, escaped, sizeof escaped));
}

void print_json_text(FILE *f, const char *json)
{
	const unsigned char *s = (const unsigned char *)json;

	while (*s) {
		ucs4_t c = 0;
		size_t n = decode(s, &c);

		/* Below 0x7f, jansson has escaped control characters. */
		if (n && c >= 0x7f && !is_plain(c))
			fprintf(f, "\\u%04x", (unsigned)c);
		else
			fwrite(s, n ? n : 1, 1, f);
		s += n ? n : 1;
	}
}
