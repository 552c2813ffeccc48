/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that are behind, for the administrator. */
#ifndef TGT_GLUE_COMMAND_BEHIND_H
#define TGT_GLUE_COMMAND_BEHIND_H

#include "tgt-glue/reconcile/clients.h"

/*
 * Prints how many clients of the family are to go over to the version that
 * fleet.conf wants, and how many stay, with the command for these; for system
 * disks, and for the data disks of each name.  Their images were inspected.
 */
void behind_print(struct clients *clients, const char *family);

#endif
