/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Allocations with faults: the linker replaces the C library's allocation
 * functions by these, in the statically linked code, which is that of the
 * project.  Allocations made while faults are armed are recorded, to find
 * leaks.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/io-fault.h"

void *__real_malloc(size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
char *__wrap_strdup(const char *text);
int __wrap_asprintf(char **ret, const char *fmt, ...);
int __wrap___asprintf_chk(char **ret, int flag, const char *fmt, ...);
void __wrap_free(void *p);

/* The live addresses, a few thousand; a hash table with open addressing. */
enum { SLOTS = 1 << 16 };
static void *slots[SLOTS];
static long live;

static size_t slot_of(const void *p)
{
	return ((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15 >> 48;
}

static void *const deleted = &slots;

static void *remember(void *p)
{
	size_t i = slot_of(p);

	if (!p || !faults_armed())
		return p;
	while (slots[i] && slots[i] != deleted)
		i = (i + 1) % SLOTS;
	slots[i] = p;
	live++;
	return p;
}

static void forget(const void *p)
{
	for (size_t i = slot_of(p); slots[i]; i = (i + 1) % SLOTS)
		if (slots[i] == p) {
			slots[i] = slots[(i + 1) % SLOTS] ? deleted : NULL;
			live--;
			return;
		}
}

long faults_live(void)
{
	return live;
}

void faults_forget_live(void)
{
	memset(slots, 0, sizeof slots);
	live = 0;
}

static bool fails(void)
{
	struct faults *faults = faults_armed();

	return faults && faults->kind == FAULT_MEMORY && faults_turn(faults);
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : remember(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __real_malloc(n * size);

	if (p)
		memset(p, 0, n * size);
	return remember(p);
}

void *__wrap_realloc(void *p, size_t size)
{
	uintptr_t before = (uintptr_t)p;
	void *now;

	if (fails())
		return NULL;
	now = __real_realloc(p, size);
	if (!now)
		return NULL;
	if (before)
		forget((void *)before);
	return remember(now);
}

char *__wrap_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = __wrap_malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

static int print_allocated(char **ret, const char *fmt, va_list args)
{
	int n = fails() ? -1 : vasprintf(ret, fmt, args);

	if (n >= 0)
		remember(*ret);
	return n;
}

int __wrap_asprintf(char **ret, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = print_allocated(ret, fmt, args);
	va_end(args);
	return n;
}

/* Replaces asprintf in programs built with _FORTIFY_SOURCE. */
int __wrap___asprintf_chk(char **ret, int flag, const char *fmt, ...)
{
	va_list args;
	int n;

	(void)flag;
	va_start(args, fmt);
	n = print_allocated(ret, fmt, args);
	va_end(args);
	return n;
}

void __wrap_free(void *p)
{
	if (p)
		forget(p);
	__real_free(p);
}
