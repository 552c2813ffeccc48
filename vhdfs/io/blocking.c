/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "io/blocking.h"

#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

/* Longer than anybody works with a lock who does not wait for the disk. */
enum { PATIENCE_NS = 300000 };

static void (*_Atomic before_wait)(void);

void io_set_blocking_hook(void (*what)(void))
{
	atomic_store(&before_wait, what);
}

void io_will_block(void)
{
	void (*what)(void) = atomic_load(&before_wait);

	if (what)
		what();
}

bool io_has_blocking_hook(void)
{
	return atomic_load(&before_wait);
}

static struct timespec patience_ends(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += PATIENCE_NS;
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
	end = patience_ends();
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
	end = patience_ends();
	if (pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &end) == 0)
		return;
	io_will_block();
	pthread_rwlock_wrlock(lock);
}
