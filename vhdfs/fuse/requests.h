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
	struct fuse_session *session; /* libfuse's */
	int fd;                       /* the kernel's descriptor of the mount */
	struct invalidator *invalidator;
	bool read_only;
	bool restored; /* another process had answered before */
	char *state; /* the mount's, see mount-state.h; shared with the next one
		      */
	bool anew;   /* until what was kept is in the images */
};

/*
 * Is the handle of an open that a worker's death has lost?  All of its requests
 * answer EIO.
 */
bool handle_is_lost(struct node *node, uint64_t handle);

/*
 * The node of that number: 0, or -ESTALE where the store has none; of an image:
 * -EISDIR for a directory as well; of an open file: -EIO as well where the
 * handle is lost.  No error_text().
 */
int server_find_node(struct server *server, uint64_t number, struct node **ret);
int server_find_image(struct server *server, uint64_t number,
		      struct node **ret);
int server_find_file(struct server *server, uint64_t number, uint64_t handle,
		     struct node **ret);

/* The functions for libfuse: names and attributes, and then files. */
void requests_of_names(struct fuse_lowlevel_ops *ops);
void requests_of_files(struct fuse_lowlevel_ops *ops);

static inline struct server *server_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Answers with an error: r is a negative errno, or 0 for success. */
void reply_result(fuse_req_t req, int r);
/* Logs error_text() for the image; returns the errno that the client may see.
 */
int error_for_client(struct server *server, struct node *node, int r);
/* Does that, and answers with it. */
void reply_failure(fuse_req_t req, struct node *node, int r);

/* As server_find_node, _image and _file; NULL after the error was answered. */
struct node *request_node(fuse_req_t req, fuse_ino_t ino);
struct node *request_image(fuse_req_t req, fuse_ino_t ino);
struct node *request_file(fuse_req_t req, fuse_ino_t ino,
			  const struct fuse_file_info *fi);

#endif
