/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish: a disk of a client becomes the next version of a master. */
#ifndef TGT_GLUE_VERSIONS_PUBLISH_H
#define TGT_GLUE_VERSIONS_PUBLISH_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/config/versions.h"

/*
 * The steps that may take long, and that need no lock: checks that the client
 * is not logged in and that no other program has the disk open, and merges the
 * snapshots of the disk into its image.  0, or -errno with a message.
 */
int publish_prepare(const struct fleet *fleet, const struct disk *disk,
		    const char *family);
struct publish_options {
	const char *note; /* or null */
	bool unclean; /* publish file systems that were not unmounted, too */
};

/*
 * Publishes a disk that has an image of the client's own.  The caller holds the
 * lock of reconcile_lock.  *ret_number: of the version.  Prints which identity
 * the disk has.  0, or -errno with a message; run again, it continues.
 */
int publish_run(const struct fleet *fleet, const struct disk *disk,
		const char *family, const struct publish_options *options,
		unsigned *ret_number);

#endif
