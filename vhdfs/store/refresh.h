/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Refresh: bring the store up to date with its directory. */
#ifndef VHDFS_STORE_REFRESH_H
#define VHDFS_STORE_REFRESH_H

struct store;

/*
 * Applies the kernel's events, reads stale directories, examines stale images,
 * and derives.  Every request begins with it.  Called with store.lock held, and
 * releases it while images are examined: pointers to directories, entries and
 * images without a reference are invalid after it.
 */
void store_refresh_locked(struct store *store);

#endif
