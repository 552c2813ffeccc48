/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mount and the threads that serve it. */
#ifndef VHDFS_FUSE_SESSION_H
#define VHDFS_FUSE_SESSION_H

#include <stdbool.h>

#include "fuse/requests.h"

struct session {
	struct fuse_session *fuse;
	struct server *server;
	char *mountpoint; /* absolute; owned */
};

/*
 * Mounts the server's store at mountpoint; options as libfuse takes them, or
 * null.  What is asked of the mount waits until session_run, and so do SIGINT
 * and SIGTERM, which would leave a dead mount.
 */
int session_mount(struct server *server, const char *mountpoint,
		  const char *options, struct session *ret);
/*
 * Serves until it is unmounted or a signal says to end; then no request is
 * answered any more.
 */
int session_run(struct session *session);
/* Unmounts, where it still is mounted. */
void session_end(struct session *session);

#endif
