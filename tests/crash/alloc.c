/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory with faults: the linker puts these in the place of the C library's in
 * all that is linked statically, which is the project's own code.  Allocations
 * that are made while faults are armed are marked, so that those that are never
 * freed can be told.
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

/* Open addressing over the addresses that are live: a few thousand. */
enum { SLOTS = 1 << 16 };
static void *slots[SLOTS];
static long live;

static size_t slot_of(const void *p)
{
	return ((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15 >> 48;
}

static void *const gone = &slots;

static void *mark(void *p)
{
	size_t i = slot_of(p);

	if (!p || !faults_armed())
		return p;
	while (slots[i] && slots[i] != gone)
		i = (i + 1) % SLOTS;
	slots[i] = p;
	live++;
	return p;
}

static void unmark(const void *p)
{
	for (size_t i = slot_of(p); slots[i]; i = (i + 1) % SLOTS)
		if (slots[i] == p) {
			slots[i] = slots[(i + 1) % SLOTS] ? gone : NULL;
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
	return fails() ? NULL : mark(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	void *p = fails() ? NULL : __real_malloc(n * size);

	if (p)
		memset(p, 0, n * size);
	return mark(p);
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
		unmark((void *)before);
	return mark(now);
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
		mark(*ret);
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

/* What a program that is built with _FORTIFY_SOURCE calls instead. */
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
		unmark(p);
	__real_free(p);
}
