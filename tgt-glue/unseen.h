/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions that nothing saw: watch asks tgtd once a second, and a session may
 * be shorter.  The disk of a client with "reset = boot" tells: it was written
 * while no session is known.
 */
#ifndef TGT_GLUE_UNSEEN_H
#define TGT_GLUE_UNSEEN_H

#include "tgt-glue/fleet.h"

struct unseen_disk {
	const char *iqn;
	uint64_t ino;
	struct timespec written;
};

/* What was found at the last look.  Zeroed, it knows nothing. */
struct unseen {
	struct pool pool;
	struct unseen_disk *v;
	size_t n;
};

/*
 * Looks at the client's image again: true where it is the same file as at the
 * last look, and was written since.  A file system's clock is compared for
 * another time alone, so it may be wrong.
 */
bool unseen_look(struct unseen *unseen, const struct fleet *fleet,
		 const struct client *client);
void unseen_fini(struct unseen *unseen);

#endif
