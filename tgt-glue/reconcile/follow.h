/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Disks that go over to another version of their master: system disks, and data
 * disks with a master, each by itself.
 *
 * A disk is BEHIND if it descends from another version than the one that
 * fleet.conf wants.  It FOLLOWS, when its client is not logged in, if nothing
 * of it is lost: `reset = boot', `update = reset', or an image without data.
 * Else it STAYS until its administrator resets it.  A disk that was published
 * as a version has no data in its image; it stays until that version, or a
 * later one, is wanted.  A state that was brought back stays, too, until yet
 * another version is wanted, but for `reset = boot'.
 */
#ifndef TGT_GLUE_RECONCILE_FOLLOW_H
#define TGT_GLUE_RECONCILE_FOLLOW_H

#include "tgt-glue/reconcile/pass.h"

enum follow {
	FOLLOW_NONE, /* it is not behind */
	FOLLOWS,
	STAYS,
};

/* Of a disk whose image was inspected.  Reads the image. */
enum follow follow_of(struct clients *clients, const struct disk *disk);

/*
 * Step of a pass: chooses the disks that go over in this pass, all of a client
 * together, and adds clients that are logged in to reconcile->followers. Prints
 * how many stay.
 *
 * A pass deletes the targets of all its resets before it makes the first image,
 * so few clients go over in one pass: a machine that is switched on meanwhile
 * does not find its target for seconds, not for as long as the whole room
 * takes.
 */
void follow_choose(struct reconcile *reconcile);
/* After the pass: sets reconcile->more where others are left, unless none of
 * the chosen ones went over. */
void follow_continue(struct reconcile *reconcile);

#endif
