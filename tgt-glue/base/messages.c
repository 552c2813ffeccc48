/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/base/messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/printable.h"

void messages_print_line(struct messages *messages, const char *line)
{
	if (!strings_have(&messages->before, line) &&
	    !strings_have(&messages->now, line))
		print_line(stderr, "%s", line);
	strings_add(&messages->arenas[1], &messages->now,
		    arena_strdup(&messages->arenas[1], line));
}

void messages_print(struct messages *messages, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	messages_print_line(messages, arena_printf(&messages->arenas[1],
						   "tgt-glue: %s", text));
}

void messages_next_pass(struct messages *messages)
{
	arena_fini(&messages->arenas[0]);
	messages->arenas[0] = messages->arenas[1];
	messages->before = messages->now;
	messages->arenas[1] = (struct arena){ 0 };
	messages->now = (struct strings){ 0 };
}

void messages_fini(struct messages *messages)
{
	arena_fini(&messages->arenas[0]);
	arena_fini(&messages->arenas[1]);
	*messages = (struct messages){ 0 };
}
