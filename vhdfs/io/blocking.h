/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocking hook: called in a worker thread before it may block on disk I/O, so
 * that its pool can start another thread.
 *
 * All functions may be called from any thread.
 */
#ifndef VHDFS_IO_BLOCKING_H
#define VHDFS_IO_BLOCKING_H

#include <pthread.h>
#include <stdbool.h>

/* Sets the process's hook; null, the default, removes it. */
void io_set_blocking_hook(void (*hook)(void));
/* Calls the hook, if there is one: the calling thread may block on disk I/O
 * next.  A thread may call it any number of times for one request. */
void io_will_block(void);
/* True if a hook is set.  Without one, avoiding a block has no use. */
bool io_has_blocking_hook(void);

/* Take the lock.  The hook is called only if the lock is not released within
 * 300 us: then its holder may itself be blocked on disk I/O. */
void io_rdlock(pthread_rwlock_t *lock);
void io_wrlock(pthread_rwlock_t *lock);

#endif
