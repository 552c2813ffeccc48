/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watch events: apply what inotify reports to directories and images. */
#ifndef VHDFS_STORE_WATCH_EVENTS_H
#define VHDFS_STORE_WATCH_EVENTS_H

#include "store/store-internal.h"

/* Refreshes the names that changed since the last call, and marks stale the
 * directories that cannot be watched.  With store.lock held. */
void watch_apply_events_locked(struct store *store);
/* Marks stale the directories that inotify does not cover: the next refresh
 * reads them, whenever they were read last.  For a caller that is about to
 * refuse something.  True: there is one.  With store.lock held. */
bool watch_poll_locked(struct store *store);

#endif
