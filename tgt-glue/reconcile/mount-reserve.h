/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The space that the mount keeps free (option reserve= of vhdfs), and the one
 * that fleet.conf wants. */
#ifndef TGT_GLUE_RECONCILE_MOUNT_RESERVE_H
#define TGT_GLUE_RECONCILE_MOUNT_RESERVE_H

#include "tgt-glue/config/fleet.h"

/* In bytes.  False: unknown, as of a mount of an earlier version. */
bool mount_reserve_read(const struct fleet *fleet, uint64_t *ret);
/* What differs, and what to do, in arena; null: nothing, or nothing is mounted,
 * or fleet.conf does not say a reserve. */
const char *mount_reserve_differs(struct arena *arena,
				  const struct fleet *fleet);

#endif
