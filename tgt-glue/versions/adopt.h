/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A master without versions becomes one with versions: the image at its plain
 * name becomes version 1, and the plain name a link to it.
 *
 * ORDER, so that an adoption that was interrupted at any step and is run again
 * ends in the same state:
 *
 *   A1  check that no program writes to the image; it loses its write
 *       permission, and gets the name masters/NAME@1.vhdx, too (a hard link)
 *   A2  every child of it, found by content in the whole store, names that
 *       name: of clients that run, put aside, snapshots, unfinished files
 *   A3  a link takes the place of the plain name
 *
 * Whatever the steps that are done, every child finds its parent: before A3
 * under both names, and after it by identity among NAME@* (parent-search.c),
 * should a child have been missed.
 */
#ifndef TGT_GLUE_VERSIONS_ADOPT_H
#define TGT_GLUE_VERSIONS_ADOPT_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/config/versions.h"

/*
 * Adopts the image at the plain name, if there is one, and reads *versions
 * again, in arena.  0, or -errno with a message.
 */
int adopt(const struct fleet *fleet, struct arena *arena,
	  struct versions *versions);

#endif
