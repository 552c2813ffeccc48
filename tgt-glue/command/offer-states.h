/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Completion of the names of disks' earlier states. */
#ifndef TGT_GLUE_COMMAND_OFFER_STATES_H
#define TGT_GLUE_COMMAND_OFFER_STATES_H

#include "tgt-glue/config/fleet.h"

/* The kinds of operands: CLIENT WHICH..., and NAME CLIENT... */
#define OFFER_STATES "<state>"
#define OFFER_SNAPSHOTS "<snapshot>"

/* Offers each WHICH of that client's disk; disk null: the system disk.  Prints
 * no message, and changes nothing. */
void offer_states(const struct fleet *fleet, const char *client,
		  const char *disk, const char *word);

/* Offers the name of each snapshot that some client's disk has. */
void offer_snapshots(const struct fleet *fleet, const char *disk,
		     const char *word);

#endif
