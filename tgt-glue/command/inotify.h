/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What changes on disk that concerns the fleet: fleet.conf, its secret-files,
 * and the images in the store. One of it at a time, as libinotifytools is. */
#ifndef TGT_GLUE_COMMAND_INOTIFY_H
#define TGT_GLUE_COMMAND_INOTIFY_H

#include "tgt-glue/config/fleet.h"

struct inotify {
	struct arena arena;
	struct strings files;   /* absolute */
	struct strings secrets; /* as fleet.conf names them */
	const char *store;      /* or null */
	bool on;
	bool incomplete; /* not all of it can be followed: errno is in why */
	int why;
};

/*
 * From here on: what changes after it is noticed, also while nobody waits.
 * fleet is null where there is none yet.
 */
void inotify_start(struct inotify *inotify, const char *config,
		   const struct fleet *fleet);
/* Is all that this fleet is made of followed? */
bool inotify_covers(const struct inotify *inotify, const struct fleet *fleet);
/* Waits at most a second, or until a signal. Something changed: true, and all
 * that changed within a moment of it is part of it. */
bool inotify_wait(struct inotify *inotify);
void inotify_fini(struct inotify *inotify);

#endif
