/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blocking hook. */
#include "config.h"

#include "io/blocking.h"

#include <stdatomic.h>
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

void io_rdlock(pthread_rwlock_t *lock)
{
	struct timespec end;

	if (pthread_rwlock_tryrdlock(lock) == 0)
		return;
	end = lock_deadline();
	if (pthread_rwlock_clockrdlock(lock, CLOCK_MONOTONIC, &end) == 0)
		return;
	io_will_block();
	pthread_rwlock_rdlock(lock);
}

void io_wrlock(pthread_rwlock_t *lock)
{
	struct timespec end;

	if (pthread_rwlock_trywrlock(lock) == 0)
		return;
	end = lock_deadline();
	if (pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &end) == 0)
		return;
	io_will_block();
	pthread_rwlock_wrlock(lock);
}
