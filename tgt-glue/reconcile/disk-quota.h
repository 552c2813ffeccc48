/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Quota of a disk's image, from `quota' of fleet.conf (store/quota.h).
 *
 * A quota that fleet.conf does not set stays as it is.  A client may be logged
 * in while its quota changes: the mount reads it before the next write.
 */
#ifndef TGT_GLUE_RECONCILE_DISK_QUOTA_H
#define TGT_GLUE_RECONCILE_DISK_QUOTA_H

#include "tgt-glue/config/fleet.h"

/* Gives the disk's image the quota of fleet.conf.  1: it was changed; 0: it was
 * so, fleet.conf sets none, or there is no image; -errno with a message. */
int quota_apply(const struct fleet *fleet, const struct disk *disk);
/* True if the image has another quota, *ret_now (0: none), than fleet.conf
 * sets. */
bool quota_differs(const struct fleet *fleet, const struct disk *disk,
		   uint64_t *ret_now);

#endif
