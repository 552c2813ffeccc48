/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scrub: reads and checks all images of a store, parents first, hidden ones
 * too.
 *
 * Of each image every byte of data is read, from the disk and not from the page
 * cache where the file system can do that; then `vhdfs-img check' checks its
 * structures and its parents.  No lock is held while data is read.  An image
 * that is written meanwhile cannot be checked, and is named.
 */
#ifndef TGT_GLUE_BACKUP_SCRUB_H
#define TGT_GLUE_BACKUP_SCRUB_H

#include <stdint.h>

#include "tgt-glue/base/events.h"
#include "tgt-glue/config/fleet.h"

struct scrub {
	unsigned images;
	unsigned unsound;
	unsigned unchecked;
	uint64_t read; /* bytes */
};

/*
 * Checks the store of the fleet, and prints a line for each image that is not
 * sound or not checked, and a summary.  An unsound image and the summary are
 * events, too.  rate: bytes a second; 0: any.  Gives
 * this process the lowest priority.  0, or -errno with a message; -EINTR: a
 * signal arrived (stop.h).
 */
int scrub_run(const struct fleet *fleet, const struct event_log *log,
	      uint64_t rate, struct scrub *ret);

#endif
