/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * retire: a version of a master is removed.
 *
 * A version is needed by the images that have it as their parent, or may have,
 * by fleet.conf where a client's master names it, and by the channels.  Only a
 * version that nothing needs is removed.
 */
#ifndef TGT_GLUE_VERSIONS_RETIRE_H
#define TGT_GLUE_VERSIONS_RETIRE_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/config/versions.h"

/* The caller holds the lock of reconcile_lock.  0, or -errno with a message
 * that names what needs it. */
int retire_run(const struct fleet *fleet, const char *family, unsigned number);
/* Removes the versions beyond the fleet's keep_versions newest ones that
 * nothing needs.  Prints what it removes.  0, or -errno with a message. */
int retire_old(const struct fleet *fleet, const char *family);

#endif
