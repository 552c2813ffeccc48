/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is let go all at once: what a configuration or an answer of tgtd
 * was taken apart into.  Without memory the program ends: nothing is half done
 * by that, every step of apply may be the last.
 */
#ifndef TGT_GLUE_POOL_H
#define TGT_GLUE_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool {
	struct pool_piece *last;
};

void *pool_alloc(struct pool *pool, size_t size); /* zeroed */
char *pool_strdup(struct pool *pool, const char *text);
char *pool_printf(struct pool *pool, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* What was allocated after the mark is let go; null: all of it. */
const struct pool_piece *pool_mark(const struct pool *pool);
void pool_release(struct pool *pool, const struct pool_piece *mark);
void pool_fini(struct pool *pool);

/*
 * Room for one more in an array of n elements of the given size, which may
 * move: returns the array.  The new element is zeroed.
 */
void *pool_grow(struct pool *pool, void *array, size_t n, size_t size);

/* Strings in a pool. */
struct strings {
	const char **v;
	size_t n;
};

void strings_add(struct pool *pool, struct strings *list, const char *text);
bool strings_have(const struct strings *list, const char *text);
/* The same strings, in whatever order; neither has one twice. */
bool strings_same(const struct strings *a, const struct strings *b);

#endif
