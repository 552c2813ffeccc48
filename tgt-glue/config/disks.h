/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clients' disks: the sections [disk NAME], and what a client has of them.
 *
 * All memory is of the fleet's arena. */
#ifndef TGT_GLUE_CONFIG_DISKS_H
#define TGT_GLUE_CONFIG_DISKS_H

#include "tgt-glue/config/fleet.h"

/* Sets fleet->sections; reports mistakes in them. */
void disks_resolve_sections(struct fleet *fleet);

/*
 * Adds the client's data disks behind its system disk, in the order of their
 * LUNs.  names: the value of `disks', or null; line: of that key, for mistakes.
 * False if the section of one of them has mistakes.
 */
bool disks_resolve_client(struct fleet *fleet, struct client *client,
			  const char *names, int line);

/* Sets child, image and view of a disk with an image of its own.  format: of a
 * new one. */
void disks_set_image(struct fleet *fleet, struct disk *disk,
		     const struct image_ops *format);
/* Sets the quota from a value of `quota', or null. */
void disks_set_quota(struct disk *disk, const char *value);
/* Sets the SCSI ids.  text: no other disk has it, and it never changes. */
void disks_set_ids(struct fleet *fleet, struct disk *disk, const char *text);

#endif
