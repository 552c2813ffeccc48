/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failed reads, writes and flushes of the views. */
#include "config.h"

#include "tgt-glue/reconcile/view-errors.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "store/io-errors.h"

/* Takes a line "COUNT IMAGE". */
static void take(struct arena *arena, const char *line,
		 struct view_errors *errors)
{
	uint64_t count;
	int at = 0;

	if (sscanf(line, "%" SCNu64 " %n", &count, &at) != 1 || !at)
		return;
	errors->counts = arena_grow(arena, errors->counts, errors->n,
				    sizeof *errors->counts);
	errors->counts[errors->n] = count;
	index_add(arena, &errors->images, arena_strdup(arena, line + at),
		  errors->n++);
}

void view_errors_read(struct arena *arena, const struct fleet *fleet,
		      struct view_errors *ret)
{
	char *text = arena_alloc(arena, IO_ERRORS_SIZE + 1), *line;
	const ssize_t n = getxattr(fleet->mount, IO_ERRORS_ATTRIBUTE, text,
				   IO_ERRORS_SIZE);

	memset(ret, 0, sizeof *ret);
	if (n <= 0)
		return;
	text[n] = '\0';
	ret->known = true;
	/* The first line is the total. */
	strsep(&text, "\n");
	while ((line = strsep(&text, "\n")))
		take(arena, line, ret);
}

uint64_t view_errors_of(const struct view_errors *errors, const char *image)
{
	_cleanup_free_ char *shown = errors->n ? printable_copy(image) : NULL;
	const size_t at =
		shown ? index_find(&errors->images, shown) : NOT_FOUND;

	return at == NOT_FOUND ? 0 : errors->counts[at];
}
