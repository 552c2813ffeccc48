/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Notification of changes on disk that concern the fleet: of fleet.conf, of the
 * files that it includes, of its secret-files, and of the images in the store.
 *
 * One process can have one of these, as libinotifytools has global state.
 */
#ifndef TGT_GLUE_COMMAND_INOTIFY_H
#define TGT_GLUE_COMMAND_INOTIFY_H

#include <sys/stat.h>

#include "tgt-glue/config/fleet.h"

struct inotify {
	struct arena arena;
	/* Real paths of fleet.conf, the files it includes, and secret-files. */
	struct strings files;
	struct strings
		patterns;       /* of `include': real directory, '/', pattern */
	const char *store;      /* real path with a slash at the end, or null */
	struct stat store_stat; /* of that directory */
	int fd;
	bool on;
	bool stale;      /* a directory was added, moved or removed since */
	bool incomplete; /* something cannot be watched */
	int why;         /* its errno */
};

/*
 * Watches fleet.conf and the files of fleet, which may be null, and keeps what
 * is watched already.  Returns whether something is watched that was not
 * watched before: a change of it may have been missed, so read it again.
 */
bool inotify_follow(struct inotify *inotify, const char *config,
		    const struct fleet *fleet);
/*
 * Waits for a change, for a second, or until a signal.  Returns whether
 * something changed; changes that follow within a moment are part of it.
 */
bool inotify_wait(struct inotify *inotify);
void inotify_fini(struct inotify *inotify);

#endif
