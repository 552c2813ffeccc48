/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refresh: bring the store up to date with its directory. */
#include "config.h"

#include "store/refresh.h"

#include "store/dir.h"
#include "store/examiners.h"
#include "store/watch-events.h"

void store_refresh_locked(struct store *store)
{
	dir_retry_locked(store);
	watch_apply_events_locked(store);
	dir_read_stale_locked(store);
	examiners_run_locked(store);
}
