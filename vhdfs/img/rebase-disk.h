/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rebase of an image; the way depends on the programs that have it open.
 *
 *   a mount shows it as a view that may be written: the mount does it, while
 *   clients go on (online.h)
 *   no program has it open: rebase-image.h
 *   it is a parent that is in use: a new file takes its place (replace-image.h)
 *
 * For the main thread.
 */
#ifndef VHDFS_IMG_REBASE_DISK_H
#define VHDFS_IMG_REBASE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "img/image-roots.h"
#include "img/rebase-options.h"
#include "img/rebase-room.h"

/*
 * Makes the child at path image, an operand, a child of the image at path
 * parent, another operand; null: a dynamic image.  *ret_copied: bytes that were
 * copied.  Shows progress.  0, or -errno with a message; then the child shows
 * what it showed, on its old parent, and the command can be run again: what was
 * copied is not copied again.  Errors: those of rebase_image.  -ENOSPC without
 * a change if there was too little room from the start.
 */
int rebase_disk(const struct image_roots *roots, const char *image,
		const char *parent, const struct rebase_options *options,
		uint64_t *ret_copied);

#endif
