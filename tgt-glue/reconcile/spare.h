/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spare files: space for fresh images, reserved in the store, so that a reset
 * works when the store is full and every client writes.
 *
 * A spare is a hidden file of zeros beside the clients' images, with all
 * blocks allocated.  It is overwritten in place and renamed: space that was
 * freed first could be taken by another client's write.
 */
#ifndef TGT_GLUE_RECONCILE_SPARE_H
#define TGT_GLUE_RECONCILE_SPARE_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/base/messages.h"

enum { SPARES_MAX = 64 };

/* Opens the directory of the clients' images, where spares are, too; -errno
 * without a message: there is none. */
#define CLIENTS_DIRECTORY "clients"
int spare_directory(const struct fleet *fleet);
/* The name of spare number i, in the directory of the clients' images. */
const char *spare_name(struct arena *arena, unsigned i);
/* The same relative to the directory of the disk's image. */
const char *spare_path(struct arena *arena, const struct disk *disk,
		       unsigned i);
/* Removes spare i, to free its space; false if there is none. */
bool spare_remove(struct arena *arena, const struct fleet *fleet, unsigned i);

/* Creates spares that are missing or too small for a fresh image, and removes
 * surplus ones.  Prints a warning if there is no space for them. */
void spare_keep(struct arena *arena, const struct fleet *fleet,
		struct messages *messages);

#endif
