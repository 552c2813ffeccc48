/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the kernel says has changed. */
#ifndef VHDFS_STORE_WATCH_EVENTS_H
#define VHDFS_STORE_WATCH_EVENTS_H

#include "store/store-internal.h"

/* Marks as stale what has changed since the last call. */
void watch_apply_events_locked(struct store *store);

#endif
