/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Error reporting: formats messages and keeps the last one of each thread. */
#include "config.h"

#include "base/error.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"

static _Thread_local struct error last;

int fail(int code, const char *fmt, ...)
{
	struct error e = { .code = code, .offset = ERROR_NO_OFFSET };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e.text, sizeof e.text, fmt, ap);
	va_end(ap);
	printable_in_place(e.text, sizeof e.text);
	last = e;
	return code;
}

int fail_errno(int code, const char *fmt, ...)
{
	char text[sizeof last.text];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return fail(code, "%s: %s", text, strerror(-code));
}

int fail_found(int code, const char *file, const char *structure,
	       uint64_t offset, const char *expected, const char *found_fmt,
	       ...)
{
	struct error e = { .code = code, .offset = offset };
	char where[40] = "";
	va_list ap;

	va_start(ap, found_fmt);
	vsnprintf(e.found, sizeof e.found, found_fmt, ap);
	va_end(ap);
	printable_in_place(e.found, sizeof e.found);
	printable(file, e.file, sizeof e.file);
	printable(structure, e.structure, sizeof e.structure);
	printable(expected, e.expected, sizeof e.expected);
	if (offset != ERROR_NO_OFFSET)
		snprintf(where, sizeof where, " at offset %" PRIu64, offset);
	snprintf(e.text, sizeof e.text, "%s: %s%s: expected %s, found %s",
		 e.file, e.structure, where, e.expected, e.found);
	last = e;
	return code;
}

void error_advise(const char *fmt, ...)
{
	size_t n = strlen(last.text);
	va_list ap;

	n += snprintf(last.text + n, sizeof last.text - n, "; ");
	if (n >= sizeof last.text)
		return;
	va_start(ap, fmt);
	vsnprintf(last.text + n, sizeof last.text - n, fmt, ap);
	va_end(ap);
	printable_in_place(last.text, sizeof last.text);
}

enum { ARG_SIZE = sizeof last.expected };

/* One of the thread's four buffers of ARG_SIZE. */
static char *next_arg(void)
{
	static _Thread_local char ring[4][ARG_SIZE];
	static _Thread_local unsigned next;

	return ring[next++ % 4];
}

const char *format_arg(const char *fmt, ...)
{
	char *buf = next_arg();
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, ARG_SIZE, fmt, ap);
	va_end(ap);
	return buf;
}

const char *format_or(const char *words)
{
	char *buf = next_arg(), *at = buf;
	const char *last_gap = strrchr(words, ' ');

	for (; *words && at < buf + ARG_SIZE - sizeof " or "; words++)
		if (*words == ' ')
			at = stpcpy(at, words == last_gap ? " or " : ", ");
		else
			*at++ = *words;
	*at = '\0';
	return buf;
}

static bool is_plain(const char *text)
{
	static const char plain[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_./:,=@%+-";

	return *text && !text[strspn(text, plain)];
}

const char *shell_word(const char *text)
{
	static _Thread_local char ring[4][4096];
	static _Thread_local unsigned next;
	char *buf = ring[next++ % 4];
	size_t n = 0;

	if (is_plain(text))
		return text;
	buf[n++] = '\'';
	/* Leaves room for one escaped quote, the closing quote and the NUL. */
	for (; *text && n + sizeof "'\\''" + 1 < sizeof ring[0]; text++)
		if (*text == '\'')
			n += strlen(strcpy(buf + n, "'\\''"));
		else
			buf[n++] = *text;
	buf[n++] = '\'';
	buf[n] = '\0';
	return buf;
}

const char *shell_path(const char *dir, const char *name)
{
	static _Thread_local char path[4096];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return shell_word(path);
}

const struct error *error_last(void)
{
	return &last;
}

const char *error_text(void)
{
	return last.text;
}

void error_set(const struct error *err)
{
	last = *err;
}
