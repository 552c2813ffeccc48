/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is let go all at once: what a configuration or an answer of tgtd
 * was taken apart into.  Without memory the program ends: nothing is half done
 * by that, every step of apply may be the last.
 */
#ifndef TGT_GLUE_BASE_ARENA_H
#define TGT_GLUE_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
	struct arena_block *last;
};

void *arena_alloc(struct arena *arena, size_t size); /* zeroed */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What was allocated after the mark is let go; null: all of it. */
const struct arena_block *arena_mark(const struct arena *arena);
void arena_release(struct arena *arena, const struct arena_block *mark);
void arena_fini(struct arena *arena);

/*
 * Room for one more in an array of n elements of the given size, which may
 * move: returns the array.  The new element is zeroed.
 */
void *arena_grow(struct arena *arena, void *array, size_t n, size_t size);

/* Strings in a pool. */
struct strings {
	const char **v;
	size_t n;
};

void strings_add(struct arena *arena, struct strings *list, const char *text);
bool strings_have(const struct strings *list, const char *text);

#endif
