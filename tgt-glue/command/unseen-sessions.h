/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions that nothing saw: watch asks tgtd once a second, and a session may
 * be shorter.  The disk of a client with "reset = boot" tells: it was written
 * while no session is known.
 */
#ifndef TGT_GLUE_COMMAND_UNSEEN_SESSIONS_H
#define TGT_GLUE_COMMAND_UNSEEN_SESSIONS_H

#include "tgt-glue/config/fleet.h"

struct unseen_disk {
	const char *iqn;
	uint64_t ino;
	struct timespec written;
};

/* What was found at the last look.  Zeroed, it knows nothing. */
struct unseen_sessions {
	struct arena arena;
	struct unseen_disk *v;
	size_t n;
};

/*
 * Looks at the client's image again: true where it is the same file as at the
 * last look, and was written since.  A file system's clock is compared for
 * another time alone, so it may be wrong.
 */
bool unseen_sessions_check(struct unseen_sessions *unseen,
			   const struct fleet *fleet,
			   const struct client *client);
void unseen_sessions_fini(struct unseen_sessions *unseen);

#endif
