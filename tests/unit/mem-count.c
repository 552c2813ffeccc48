/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counters of memory: wrappers of malloc and free. */
#include "config.h"

#include "unit/mem-count.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* The names that the linker gives to the wrapped functions. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *text);

static long held, peak;

static void *count(void *p)
{
	if (p)
		held += (long)malloc_usable_size(p);
	if (held > peak)
		peak = held;
	return p;
}

static void uncount(void *p)
{
	if (p)
		held -= (long)malloc_usable_size(p);
}

void mem_count_start(void)
{
	held = peak = 0;
}

size_t mem_count_peak(void)
{
	return (size_t)peak;
}

void *__wrap_malloc(size_t size)
{
	return count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return count(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	void *grown;

	uncount(p);
	grown = __real_realloc(p, size);
	return count(grown ? grown : p) ? grown : NULL;
}

void __wrap_free(void *p)
{
	uncount(p);
	__real_free(p);
}

char *__wrap_strdup(const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = __wrap_malloc(n);

	return copy ? memcpy(copy, text, n) : NULL;
}
