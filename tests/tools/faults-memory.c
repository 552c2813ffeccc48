/* SPDX-License-Identifier: GPL-2.0-or-later */
/* faults.so: allocations, failed ones and those that were not freed. */
#include "config.h"

#include "tools/faults.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
#include <unwind.h>

enum { LIVE_MAX = 16384 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under lock: */
static struct {
	void *p;
	uintptr_t where;
} live[LIVE_MAX];
static unsigned n_live;
static pid_t owner; /* what another process allocated before it was cloned from
		       it is that one's to free */

/* The C library's own functions, under its private names. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *p);

struct stack {
	uintptr_t where;
	enum owner owner;
};

static _Unwind_Reason_Code look_at_frame(struct _Unwind_Context *context,
					 void *arg)
{
	struct stack *stack = arg;

	stack->where = _Unwind_GetIP(context);
	stack->owner = faults_owner(stack->where);
	return stack->owner == OWNER_LIBC ? _URC_NO_REASON : _URC_END_OF_STACK;
}

/* Is the current allocation counted?  *ret_where is its caller. */
static bool counts(uintptr_t *ret_where)
{
	struct stack stack = { 0 };

	if (!faults_are_on() || faults_inside)
		return false;
	faults_inside = true;
	_Unwind_Backtrace(look_at_frame, &stack);
	faults_inside = false;
	*ret_where = stack.where;
	return stack.owner == OWNER_PROGRAM || stack.owner == OWNER_COUNTED;
}

static void live_add(void *p, uintptr_t where)
{
	pthread_mutex_lock(&lock);
	if (owner != getpid()) {
		owner = getpid();
		n_live = 0;
	}
	if (p && n_live < LIVE_MAX) {
		live[n_live].where = where;
		live[n_live++].p = p;
	}
	pthread_mutex_unlock(&lock);
}

static void live_remove(const void *p)
{
	if (!faults_are_on() || !p)
		return;
	pthread_mutex_lock(&lock);
	for (unsigned i = n_live; i-- > 0;) {
		if (live[i].p == p) {
			live[i] = live[--n_live];
			break;
		}
	}
	pthread_mutex_unlock(&lock);
}

/* Must this allocation fail?  ret_where: its caller if the allocation is to be
 * recorded, else 0. */
static bool fails(uintptr_t *ret_where)
{
	if (!counts(ret_where)) {
		*ret_where = 0;
		return false;
	}
	if (!faults_judge(CALL_MEMORY, *ret_where))
		return false;
	errno = ENOMEM;
	return true;
}

EXPORT void *malloc(size_t size)
{
	uintptr_t where = 0;
	void *p = fails(&where) ? NULL : __libc_malloc(size);

	if (where)
		live_add(p, where);
	return p;
}

EXPORT void *calloc(size_t n, size_t size)
{
	uintptr_t where = 0;
	void *p = fails(&where) ? NULL : __libc_calloc(n, size);

	if (where)
		live_add(p, where);
	return p;
}

EXPORT void *realloc(void *old, size_t size)
{
	uintptr_t where = 0;
	void *p;

	if (fails(&where))
		return NULL;
	live_remove(old);
	p = __libc_realloc(old, size);
	if (where)
		live_add(p, where);
	return p;
}

EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(old, total);
}

static void *allocate_aligned(size_t alignment, size_t size)
{
	uintptr_t where = 0;
	void *p = fails(&where) ? NULL : __libc_memalign(alignment, size);

	if (where)
		live_add(p, where);
	return p;
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
	void *p = allocate_aligned(alignment, size);

	if (p)
		*ret = p;
	return p ? 0 : ENOMEM;
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return allocate_aligned(alignment, size);
}

EXPORT void free(void *p)
{
	live_remove(p);
	__libc_free(p);
}

unsigned faults_live(uintptr_t *ret_where)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = n_live;
	if (n)
		*ret_where = live[0].where;
	pthread_mutex_unlock(&lock);
	return n;
}
