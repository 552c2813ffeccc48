/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store brought up to date. */
#ifndef VHDFS_STORE_REFRESH_H
#define VHDFS_STORE_REFRESH_H

struct store;

/* Brings everything up to date.  The lock is let go meanwhile. */
void store_refresh_locked(struct store *store);

#endif
