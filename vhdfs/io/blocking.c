/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocking hook. */
#include "config.h"

#include "io/blocking.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

/* Longer than any lock is held without disk I/O. */
enum { LOCK_TIMEOUT_NS = 300000 };

static void (*_Atomic blocking_hook)(void);

void io_set_blocking_hook(void (*hook)(void))
{
	atomic_store(&blocking_hook, hook);
}

void io_will_block(void)
{
	void (*hook)(void) = atomic_load(&blocking_hook);

	if (hook)
		hook();
}

bool io_has_blocking_hook(void)
{
	return atomic_load(&blocking_hook);
}

static struct timespec lock_deadline(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += LOCK_TIMEOUT_NS;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

typedef int lock_call(pthread_rwlock_t *lock);
typedef int lock_until(pthread_rwlock_t *lock, clockid_t clock,
		       const struct timespec *end);

static void wait_for(pthread_rwlock_t *lock, lock_until *wait_lock,
		     lock_call *plain_lock)
{
	struct timespec end = lock_deadline();

	if (wait_lock && wait_lock(lock, CLOCK_MONOTONIC, &end) == 0)
		return;
	io_will_block();
	plain_lock(lock);
}

/* ThreadSanitizer of GCC 12 does not see the locks that calls with a clock
 * take, and would report each access under them as a race. */
#ifdef __SANITIZE_THREAD__
#define WITH_CLOCK(call) NULL
#else
#define WITH_CLOCK(call) call
#endif

void io_rdlock(pthread_rwlock_t *lock)
{
	if (pthread_rwlock_tryrdlock(lock) != 0)
		wait_for(lock, WITH_CLOCK(pthread_rwlock_clockrdlock),
			 pthread_rwlock_rdlock);
}

void io_wrlock(pthread_rwlock_t *lock)
{
	if (pthread_rwlock_trywrlock(lock) != 0)
		wait_for(lock, WITH_CLOCK(pthread_rwlock_clockwrlock),
			 pthread_rwlock_wrlock);
}
