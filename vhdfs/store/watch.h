/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watches: inotify descriptors of the store's directories. */
#ifndef VHDFS_STORE_WATCH_H
#define VHDFS_STORE_WATCH_H

#include "store/store-internal.h"

/* Interval at which a directory is read again that inotify does not cover. */
enum { WATCH_POLL_SECONDS = 1 };

/* Opens the inotify descriptor, and watches the directories of -o parents=.
 * A failure is logged, and
 * all directories are polled then. */
void watch_init(struct store *store);
/* Sets dir.watch and dir.polled.  With store.lock held, as the next one. */
void watch_add_locked(struct store *store, struct dir *dir);
void watch_remove_locked(struct store *store, struct dir *dir);
/* Bytes of events in the queue.  One system call; takes no lock. */
int watch_bytes_waiting(const struct store *store);

#endif
