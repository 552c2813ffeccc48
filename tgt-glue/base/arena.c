/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Arena: allocation from blocks that are freed all at once. */
#include "config.h"

#include "tgt-glue/base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

struct arena_block {
	struct arena_block *before;
	max_align_t data[];
};

void *arena_alloc(struct arena *arena, size_t size)
{
	struct arena_block *block = calloc(1, sizeof *block + size);

	if (!block) {
		fputs("tgt-glue: out of memory\n", stderr);
		exit(1);
	}
	block->before = arena->last;
	arena->last = block;
	return block->data;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(arena_alloc(arena, size), text, size);
}

char *arena_vprintf(struct arena *arena, const char *fmt, va_list ap)
{
	va_list again;
	char *text;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	text = arena_alloc(arena, (size_t)n + 1);
	vsnprintf(text, (size_t)n + 1, fmt, ap);
	return text;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = arena_vprintf(arena, fmt, ap);
	va_end(ap);
	return text;
}

void arena_fini(struct arena *arena)
{
	while (arena->last) {
		struct arena_block *block = arena->last;

		arena->last = block->before;
		free(block);
	}
}

void *arena_grow(struct arena *arena, void *array, size_t n, size_t size)
{
	void *bigger;

	/* The array is full at 0, 4, 8, 16 ... elements, and then doubles. */
	if (n && (n < 4 || !is_pow2(n)))
		return array;
	bigger = arena_alloc(arena, (n < 4 ? 4 : 2 * n) * size);
	if (n)
		memcpy(bigger, array, n * size);
	return bigger;
}

bool text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

void strings_add(struct arena *arena, struct strings *list, const char *text)
{
	list->v = arena_grow(arena, list->v, list->n, sizeof *list->v);
	list->v[list->n++] = text;
}

bool strings_have(const struct strings *list, const char *text)
{
	for (size_t i = 0; i < list->n; i++)
		if (!strcmp(list->v[i], text))
			return true;
	return false;
}

void strings_add_once(struct arena *arena, struct strings *list,
		      const char *text)
{
	if (!strings_have(list, text))
		strings_add(arena, list, arena_strdup(arena, text));
}

/* FNV-1a */
static size_t hash_of(const char *key)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 0x100000001b3;
	return (size_t)(hash ^ hash >> 32);
}

/* The key's slot, or the free one where it belongs. */
static struct index_slot *slot_of(const struct index *index, const char *key)
{
	const size_t mask = index->n_slots - 1;
	size_t i = hash_of(key) & mask;

	while (index->slots[i].key && strcmp(index->slots[i].key, key) != 0)
		i = (i + 1) & mask;
	return &index->slots[i];
}

static void fill_slot(struct index *index, const char *key, size_t at)
{
	struct index_slot *slot = slot_of(index, key);

	if (slot->key)
		return;
	*slot = (struct index_slot){ key, at };
	index->n++;
}

void index_add(struct arena *arena, struct index *index, const char *key,
	       size_t at)
{
	const struct index old = *index;

	/* At least half of the slots are free. */
	if (2 * (index->n + 1) > index->n_slots) {
		index->n = 0;
		index->n_slots = old.n_slots ? 2 * old.n_slots : 16;
		index->slots = arena_alloc(arena, index->n_slots *
							  sizeof *index->slots);
		for (size_t i = 0; i < old.n_slots; i++)
			if (old.slots[i].key)
				fill_slot(index, old.slots[i].key,
					  old.slots[i].at);
	}
	fill_slot(index, key, at);
}

size_t index_find(const struct index *index, const char *key)
{
	const struct index_slot *slot = index->n ? slot_of(index, key) : NULL;

	return slot && slot->key ? slot->at : NOT_FOUND;
}

static struct pair *find_pair(const struct pairs *pairs, const char *key)
{
	const size_t at = index_find(&pairs->index, key);

	return at == NOT_FOUND ? NULL : &pairs->v[at];
}

const char *pairs_get(const struct pairs *pairs, const char *key)
{
	const struct pair *pair = find_pair(pairs, key);

	return pair ? pair->value : NULL;
}

void pairs_set(struct arena *arena, struct pairs *pairs, const char *key,
	       const char *value)
{
	struct pair *pair = find_pair(pairs, key);

	if (!pair) {
		pairs->v =
			arena_grow(arena, pairs->v, pairs->n, sizeof *pairs->v);
		pair = &pairs->v[pairs->n];
		pair->key = arena_strdup(arena, key);
		index_add(arena, &pairs->index, pair->key, pairs->n++);
	}
	pair->value = arena_strdup(arena, value);
}

/* After the pairs have other places. */
static void index_again(struct pairs *pairs)
{
	struct index *index = &pairs->index;

	memset(index->slots, 0, index->n_slots * sizeof *index->slots);
	index->n = 0;
	for (size_t i = 0; i < pairs->n; i++)
		fill_slot(index, pairs->v[i].key, i);
}

void pairs_drop(struct pairs *pairs, const char *key)
{
	struct pair *pair = find_pair(pairs, key);

	if (!pair)
		return;
	memmove(pair, pair + 1,
		(size_t)(pairs->v + pairs->n-- - pair - 1) * sizeof *pair);
	index_again(pairs);
}

static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	return strcmp(x->key, y->key);
}

void pairs_sort(struct pairs *pairs)
{
	if (!pairs->n)
		return;
	qsort(pairs->v, pairs->n, sizeof *pairs->v, by_key);
	index_again(pairs);
}
