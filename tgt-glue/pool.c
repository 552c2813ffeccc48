/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct pool_piece {
	struct pool_piece *before;
	max_align_t data[];
};

void *pool_alloc(struct pool *pool, size_t size)
{
	struct pool_piece *piece = calloc(1, sizeof *piece + size);

	if (!piece) {
		fputs("tgt-glue: out of memory\n", stderr);
		exit(1);
	}
	piece->before = pool->last;
	pool->last = piece;
	return piece->data;
}

char *pool_strdup(struct pool *pool, const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(pool_alloc(pool, size), text, size);
}

char *pool_printf(struct pool *pool, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	text = pool_alloc(pool, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return text;
}

const struct pool_piece *pool_mark(const struct pool *pool)
{
	return pool->last;
}

void pool_release(struct pool *pool, const struct pool_piece *mark)
{
	while (pool->last != mark) {
		struct pool_piece *piece = pool->last;

		pool->last = piece->before;
		free(piece);
	}
}

void pool_fini(struct pool *pool)
{
	pool_release(pool, NULL);
}

void *pool_grow(struct pool *pool, void *array, size_t n, size_t size)
{
	void *bigger;

	/* Full at 0, 4, 8, 16 ...: then it doubles. */
	if (n && (n < 4 || !is_pow2(n)))
		return array;
	bigger = pool_alloc(pool, (n < 4 ? 4 : 2 * n) * size);
	if (n)
		memcpy(bigger, array, n * size);
	return bigger;
}

void strings_add(struct pool *pool, struct strings *list, const char *text)
{
	list->v = pool_grow(pool, list->v, list->n, sizeof *list->v);
	list->v[list->n++] = text;
}

bool strings_have(const struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], text))
			return true;
	return false;
}

bool strings_same(const struct strings *a, const struct strings *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!strings_have(b, a->v[i]))
			return false;
	return true;
}
