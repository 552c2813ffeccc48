/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spare files: room for fresh images that is kept in the store, so that reset
 * works when the store is full and every client writes.  A spare is a hidden
 * file of zeros beside the clients' images whose blocks are allocated.  It is
 * overwritten in place and renamed: what is given back to the file system first
 * another client's write takes.
 */
#ifndef TGT_GLUE_RECONCILE_SPARE_H
#define TGT_GLUE_RECONCILE_SPARE_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/base/messages.h"

enum { SPARES_MAX = 64 };

/* The name of spare number i, in the directory of the clients' images. */
const char *spare_name(struct arena *arena, unsigned i);
/* Removes it, so that its room can be used; false where there is none. */
bool spare_remove(struct fleet *fleet, unsigned i);

/* Makes spares that are missing or too small for a fresh image, and removes
 * those that are too many.  Tells where there is no room for them. */
void spare_keep(struct fleet *fleet, struct messages *messages);

#endif
