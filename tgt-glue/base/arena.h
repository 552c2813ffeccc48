/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arena: memory that is freed all at once, for a parsed configuration or a
 * parsed answer of tgtd.
 *
 * An allocation never fails: where memory runs out, the program exits.  That is
 * safe because `apply' may be interrupted after every step.
 */
#ifndef TGT_GLUE_BASE_ARENA_H
#define TGT_GLUE_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
	struct arena_block *last;
};

void *arena_alloc(struct arena *arena, size_t size); /* zeroed */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
/* Frees everything; the arena may be used again. */
void arena_fini(struct arena *arena);

/*
 * Makes room for one more element in an array of n elements of the given size.
 * Returns the array, which may have moved.  The new element is zeroed.
 */
void *arena_grow(struct arena *arena, void *array, size_t n, size_t size);

/* True if both are null, or equal. */
bool text_equal(const char *a, const char *b);

/* A list of strings in an arena. */
struct strings {
	const char **v;
	size_t n;
};

void strings_add(struct arena *arena, struct strings *list, const char *text);
bool strings_have(const struct strings *list, const char *text);
/* Adds a copy of text, unless the list has it. */
void strings_add_once(struct arena *arena, struct strings *list,
		      const char *text);

/* Finds an element of an array by its name, in the same time in a long one. */
struct index {
	struct index_slot {
		const char *key; /* null: the slot is free */
		size_t at;
	} * slots;
	size_t n, n_slots;
};

/* The key is not copied.  Of two elements with one key, the first is found. */
void index_add(struct arena *arena, struct index *index, const char *key,
	       size_t at);
/* The element's place in the array, or NOT_FOUND. */
#define NOT_FOUND SIZE_MAX
size_t index_find(const struct index *index, const char *key);

/* A list of strings by key, in an arena: each key once. */
struct pairs {
	struct pair {
		const char *key;
		const char *value;
	} * v;
	size_t n;
	struct index index;
};

/* The value, or null. */
const char *pairs_get(const struct pairs *pairs, const char *key);
/* Sets the key's value; both are copied. */
void pairs_set(struct arena *arena, struct pairs *pairs, const char *key,
	       const char *value);
/* Removes the key, if it is there; the order of the others stays. */
void pairs_drop(struct pairs *pairs, const char *key);
/* By the keys. */
void pairs_sort(struct pairs *pairs);

#endif
