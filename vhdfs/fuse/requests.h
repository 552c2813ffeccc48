/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Request functions: answers to the requests of the kernel.
 *
 * Four files have the request functions: requests-name.c (names, attributes),
 * requests-file.c (open, close, flush, seek), fast-path.c (read, write, zero),
 * requests-control.c (the requests of vhdfs-img).
 * Any thread of the pool may call them.  No lock is held while a request is
 * answered.
 */
#ifndef VHDFS_FUSE_REQUESTS_H
#define VHDFS_FUSE_REQUESTS_H

#include <stdbool.h>

#include "fuse/fuse3.h"
#include "fuse/mount.h"
#include "fuse/nodes.h"
#include "fuse/server.h"
#include "store/store.h"

/* The request functions, for libfuse. */
void requests_of_names(struct fuse_lowlevel_ops *ops);
void requests_of_files(struct fuse_lowlevel_ops *ops);
void requests_of_control(struct fuse_lowlevel_ops *ops);

/*
 * server_find_node finds a node by its number: 0, or -ESTALE if the store has
 * no such node.  server_find_file also fails with -EISDIR for a directory, and
 * with -EIO if the handle is lost.  Neither sets error_text().
 */
int server_find_node(uint64_t number, struct node **ret);
int server_find_file(uint64_t number, uint64_t handle, struct node **ret);

/* A handle is lost if no worker could open its image again after a worker had
 * died (restore.h).  Each request through it is answered with EIO. */
bool handle_is_lost(struct node *node, uint64_t handle);

/* Counts the failure (store/io-errors.h), and logs error_text() with the
 * image's name, at most once a second for an image. Returns the error to answer
 * with: r, or -EIO if a client must not see r. */
int error_for_client(struct node *node, int r);

/* Answers with an error: r is -errno, or 0 for success. */
void reply_result(fuse_req_t req, int r);

#endif
