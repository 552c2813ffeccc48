/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Warning about a parent whose file was modified after its child was made. */
#ifndef VHDFS_CHAIN_PARENT_WARNING_H
#define VHDFS_CHAIN_PARENT_WARNING_H

#include "format/image.h"

/*
 * *ret: one line of text if the modification time of the parent's file differs
 * from the one in the child's reference ref, or null; the caller frees it.
 * 0, or -errno with a message.
 */
int parent_time_warning(const struct image *child, const struct io *parent,
			const struct parent_ref *ref, char **ret);

#endif
