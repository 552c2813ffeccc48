/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loading fleet.conf: parses it, applies the defaults, looks up the images in
 * the store, and checks what the parser cannot check key by key.  The result is
 * the model of fleet.h.
 */
#ifndef TGT_GLUE_CONFIG_RESOLVE_H
#define TGT_GLUE_CONFIG_RESOLVE_H

#include "tgt-glue/config/fleet.h"

/*
 * Returns 0 for a file without mistakes, and -EINVAL for one with mistakes,
 * which are in fleet->conf.  Returns another -errno with a message where the
 * file cannot be read.  Call fleet_fini in every case.
 *
 * without_secrets: secret-files may be missing, because the caller is about to
 * write some.
 */
int fleet_load(const char *file, bool without_secrets, struct fleet *fleet);

/* Saves the fleet.conf that was loaded, as TARGETS-FILE.fleet, for
 * fleet_load_good.  Returns 0, or -errno with a message. */
int fleet_keep(const struct fleet *fleet);

/*
 * Loads the saved fleet.conf instead of one with mistakes; bad is what
 * fleet_load made of that.  Returns as fleet_load.
 *
 * tolerant: leave out the clients that have become invalid since, such as those
 * whose master is no longer in the store.  For `status' alone.
 */
int fleet_load_good(const struct fleet *bad, bool tolerant, struct fleet *ret);

#endif
