/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server: the state of a worker that all its threads share. */
#ifndef VHDFS_FUSE_SERVER_H
#define VHDFS_FUSE_SERVER_H

#include <stdbool.h>

struct fuse_session;
struct mount;
struct store;

/* Constant while requests are handled. */
struct server {
	const struct mount *mount;
	struct store *store;
	struct fuse_session *session;
	int fd; /* the kernel's descriptor of the mount */
	/* Another worker served this mount before. */
	bool restored;
};

/* Of the worker's one mount. */
extern struct server server;

#endif
