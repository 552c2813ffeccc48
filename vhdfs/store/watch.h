/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watches of directories (inotify). */
#ifndef VHDFS_STORE_WATCH_H
#define VHDFS_STORE_WATCH_H

#include "store/store-internal.h"

/* A directory without a watch is read again that often. */
enum { WATCH_POLL_SECONDS = 1 };

int watch_init(struct store *store);
void watch_add_locked(struct store *store, struct dir *dir);
void watch_remove_locked(struct store *store, struct dir *dir);
/* How many bytes of events wait to be read.  A system call; takes no lock. */
int watch_bytes_waiting(const struct store *store);

#endif
