/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * promote: another version of a master is in production.
 *
 * ORDER, so that a promotion that was interrupted at any step and is run again
 * ends in the same state:
 *
 *   M1  a master without versions gets version 1              (adopt.h)
 *   M2  with --back: the link masters/.NAME@going-back.vhdx leads to the
 * version that is to be in production; as long as it exists, it says so M3  the
 * link to the version in production before leads to the present one M4  the
 * link to the version in production leads to the new one M5  with --back: the
 * link of M2 is removed
 *
 * Nothing is done for a version that is in production already.
 */
#ifndef TGT_GLUE_VERSIONS_PROMOTE_H
#define TGT_GLUE_VERSIONS_PROMOTE_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/config/versions.h"

/* number 0: the version under test; back: the version in production before.
 * The caller holds the lock of reconcile_lock.  *ret_number: of the version in
 * production now.  0, or -errno with a message. */
int promote_run(const struct fleet *fleet, const char *family, unsigned number,
		bool back, unsigned *ret_number);

#endif
