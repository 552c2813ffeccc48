/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish: the disk of a client becomes the next version of a master. */
#ifndef TGT_GLUE_VERSIONS_PUBLISH_H
#define TGT_GLUE_VERSIONS_PUBLISH_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/config/versions.h"

/*
 * 0 if the client is logged in to no tgtd of the fleet and no other program
 * has its disk open; -EBUSY with a message that names them; another -errno if a
 * tgtd that may run does not answer.
 */
int publish_check_idle(const struct fleet *fleet, const struct client *client);
/*
 * The steps that may take long, and that need no lock: checks that the client
 * is idle, and merges its snapshots into its image.  0, or -errno with a
 * message.
 */
int publish_prepare(const struct fleet *fleet, const struct client *client,
		    const char *family);
struct publish_options {
	const char *note; /* or null */
	bool unclean; /* publish file systems that were not unmounted, too */
};

/*
 * Publishes.  The caller holds the lock of reconcile_lock.  *ret_number: of the
 * version.  Prints which identity the disk has.  0, or -errno with a message;
 * run again, it continues.
 */
int publish_run(const struct fleet *fleet, const struct client *client,
		const char *family, const struct publish_options *options,
		unsigned *ret_number);

#endif
