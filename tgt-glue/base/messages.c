/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to the administrator: prints each one once. */
#include "config.h"

#include "tgt-glue/base/messages.h"

#include <stdio.h>

#include "base/printable.h"

bool messages_print_line(struct messages *messages, const char *line)
{
	struct arena *arena = &messages->now.arena;
	const bool is_new = !strings_have(&messages->before.lines, line) &&
			    !strings_have(&messages->now.lines, line);

	if (is_new)
		print_line(stderr, "%s", line);
	strings_add(arena, &messages->now.lines, arena_strdup(arena, line));
	return is_new;
}

bool messages_print(struct messages *messages, const char *fmt, ...)
{
	struct arena *arena = &messages->now.arena;
	va_list ap;
	bool is_new;

	va_start(ap, fmt);
	is_new = messages_print_line(
		messages, arena_printf(arena, "tgt-glue: %s",
				       arena_vprintf(arena, fmt, ap)));
	va_end(ap);
	return is_new;
}

void messages_next_pass(struct messages *messages)
{
	arena_fini(&messages->before.arena);
	messages->before = messages->now;
	messages->now = (struct pass_messages){ 0 };
}

void messages_fini(struct messages *messages)
{
	arena_fini(&messages->before.arena);
	arena_fini(&messages->now.arena);
}
