/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/printable.h"

void notes_say_line(struct notes *notes, const char *line)
{
	if (!strings_have(&notes->before, line) &&
	    !strings_have(&notes->now, line))
		print_line(stderr, "%s", line);
	strings_add(&notes->pools[1], &notes->now,
		    pool_strdup(&notes->pools[1], line));
}

void notes_say(struct notes *notes, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	notes_say_line(notes,
		       pool_printf(&notes->pools[1], "tgt-glue: %s", text));
}

void notes_turn(struct notes *notes)
{
	pool_fini(&notes->pools[0]);
	notes->pools[0] = notes->pools[1];
	notes->before = notes->now;
	notes->pools[1] = (struct pool){ 0 };
	notes->now = (struct strings){ 0 };
}

void notes_fini(struct notes *notes)
{
	pool_fini(&notes->pools[0]);
	pool_fini(&notes->pools[1]);
	*notes = (struct notes){ 0 };
}
