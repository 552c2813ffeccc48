/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of old images, .NAME.vhdx.STAMP or .NAME.vhd.STAMP (store/put-aside.h),
 * and their order, which is that of the resets.
 */
#ifndef TGT_GLUE_RECONCILE_OLD_IMAGES_H
#define TGT_GLUE_RECONCILE_OLD_IMAGES_H

#include <stdint.h>

#include "store/put-aside.h"
#include "tgt-glue/base/arena.h"

struct old_image {
	const char *name; /* in the directory */
	int64_t stamp;    /* microseconds since 1970 */
};

/* The old images of one client, in the arena of old_images_read. */
struct old_images {
	struct old_image *v; /* newest first */
	size_t n;
	struct strings odd; /* names of this form without a valid stamp */
};

/* Reads the directory.  0, or -errno. */
int old_images_read(struct arena *arena, int dir_fd, const char *client,
		    struct old_images *ret);

/*
 * The greatest stamp of all clients' old images, in *ret; INT64_MIN: there is
 * none.  0, or -errno.  keep-age is reckoned from it, not from the clock: where
 * a clock was wrong, no image looks old because of the time alone.
 */
int old_images_newest(int dir_fd, int64_t *ret);

/* The stamp of an image that is reset at the time now, microseconds since
 * 1970. */
int64_t old_images_next_stamp(const struct old_images *images, int64_t now);

#endif
