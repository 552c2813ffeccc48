/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Failed reads, writes and flushes of the views, which the mount counts
 * (store/io-errors.h). */
#ifndef TGT_GLUE_RECONCILE_VIEW_ERRORS_H
#define TGT_GLUE_RECONCILE_VIEW_ERRORS_H

#include "tgt-glue/config/fleet.h"

/* All zeros: unknown.  Strings are in the arena. */
struct view_errors {
	bool known;
	struct index images; /* of counts */
	uint64_t *counts;
	size_t n;
};

/* Asks the mount.  Unknown: it has no such attribute, as one of an earlier
 * version. */
void view_errors_read(struct arena *arena, const struct fleet *fleet,
		      struct view_errors *ret);
/* Of the image at that path in the store; 0: none, or unknown. */
uint64_t view_errors_of(const struct view_errors *errors, const char *image);

#endif
