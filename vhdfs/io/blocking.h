/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who serves many with few threads wants to know when one of them is about to
 * wait for the disk, so that another takes its place.
 */
#ifndef VHDFS_IO_BLOCKING_H
#define VHDFS_IO_BLOCKING_H

#include <pthread.h>
#include <stdbool.h>

/* what is called in a thread before it may have to wait, as often as that
 * happens; null, as at first: nobody asks. */
void io_set_blocking_hook(void (*what)(void));
/* The calling thread is about to do what may wait for the disk. */
void io_will_block(void);
/* Does anybody ask? */
bool io_has_blocking_hook(void);

/* Take a lock, which is mostly free, or held by somebody who is about to let
 * go; where it is not, he may be waiting for the disk. */
void io_rdlock(pthread_rwlock_t *lock);
void io_wrlock(pthread_rwlock_t *lock);

#endif
