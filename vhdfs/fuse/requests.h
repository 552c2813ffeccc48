/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel asks for, and what the answers are made of.
 *
 * No lock is held when a request is answered.
 */
#ifndef VHDFS_FUSE_REQUESTS_H
#define VHDFS_FUSE_REQUESTS_H

#include <stdbool.h>

#include "fuse/fuse3.h"
#include "fuse/invalidate.h"
#include "fuse/nodes.h"
#include "store/store.h"

/* A request's userdata. Nothing of it changes while requests are answered. */
struct server {
	struct store *store;
	struct nodes *nodes;
	struct invalidator *invalidator;
	bool read_only;
	bool restored; /* another process had answered before */
	char *state; /* the mount's, see mount-state.h; shared with the next one
		      */
	bool anew;   /* until what was kept is in the images */
};

enum {
	/* The longest read or write: what libfuse has room for. */
	REQUEST_MAX = 1024 * 1024,
};

/*
 * Is the handle of an open that a worker's death has lost?  All of its requests
 * answer EIO.
 */
bool handle_is_lost(struct node *node, uint64_t handle);

/* The functions for libfuse: names and attributes, and then files. */
void requests_of_names(struct fuse_lowlevel_ops *ops);
void requests_of_files(struct fuse_lowlevel_ops *ops);

static inline struct server *server_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Answers with an error: r is a negative errno, or 0 for success. */
void reply_result(fuse_req_t req, int r);
/* Logs the last failure's words as what happened to the image: the errno that
 * the client is told. */
int failure_to_tell(struct server *server, struct node *node, int r);
/* Does that, and answers with it. */
void reply_failure(fuse_req_t req, struct node *node, int r);

/* The node of the request; null when it was answered with ESTALE. */
struct node *request_node(fuse_req_t req, fuse_ino_t ino);
/* The same; answered as well, with EISDIR, when it is a directory. */
struct node *request_image(fuse_req_t req, fuse_ino_t ino);
/* The same, through a handle; answered as well, with EIO, where that is lost.
 */
struct node *request_file(fuse_req_t req, fuse_ino_t ino,
			  const struct fuse_file_info *fi);

#endif
