/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Detection of sessions that `watch' has not seen.
 *
 * watch asks tgtd once a second, and a session may be shorter.  The image of a
 * client with `reset = boot' reveals it: the image was written although no
 * session is known.
 */
#ifndef TGT_GLUE_COMMAND_UNSEEN_SESSIONS_H
#define TGT_GLUE_COMMAND_UNSEEN_SESSIONS_H

#include "tgt-glue/config/fleet.h"

/* A disk's image as it was at the last check. */
struct unseen_disk {
	const char *image; /* path in the store */
	uint64_t ino;
	struct timespec written;
};

/* All zeros: no check yet. */
struct unseen_sessions {
	struct arena arena;
	struct unseen_disk *v;
	size_t n;
};

/*
 * Checks the disk's image.  Returns whether it is the same file as at the
 * last check and was written since.  Times are only compared for equality, so
 * the file system's clock may be wrong.
 */
bool unseen_sessions_check(struct unseen_sessions *unseen,
			   const struct fleet *fleet, const struct disk *disk);
/* Forgets all images. */
void unseen_sessions_fini(struct unseen_sessions *unseen);

#endif
