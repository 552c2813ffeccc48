/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Free space of the file system that holds the store. */
#ifndef TGT_GLUE_RECONCILE_SPACE_H
#define TGT_GLUE_RECONCILE_SPACE_H

#include "tgt-glue/config/fleet.h"

/* In bytes. */
struct free_space {
	uint64_t size;
	uint64_t free;
	uint64_t min_free; /* warn below this; 0: no warning */
};

/* All fields are 0 if statvfs() of the store fails. */
void free_space_read(const struct fleet *fleet, struct free_space *ret);
bool free_space_is_low(const struct free_space *space);

/*
 * A size for display, as "12.3M": at most 6 characters, in one of eight buffers
 * used in turn.  Not thread-safe.
 */
const char *size_text(uint64_t bytes);

#endif
