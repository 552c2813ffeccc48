/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Online images: images in the store of a mount, which does the work while its
 * clients go on (base/view-request.h).
 *
 * For the main thread.
 */
#ifndef VHDFS_IMG_ONLINE_H
#define VHDFS_IMG_ONLINE_H

#include "base/view-request.h"

/* A view of an image, open for writing. */
struct online {
	int fd;      /* -1: no mount shows the image as writable */
	char *store; /* of the mount; owned */
	char *mount; /* the mount point; owned */
	char *path;  /* of the image in the store; owned */
	char *view;  /* path of the view; owned */
	char token[VIEW_TOKEN_SIZE];
};

/*
 * Finds a mount that shows the image as a view that may be written, and opens
 * the view.  real: the image's absolute path, links followed.  1; 0: there is
 * none; or -ENOMEM with a message.  online_fini closes it.
 */
int online_find(const char *real, struct online *ret);
void online_fini(struct online *online);

/* After online_find found none and the work failed with r: if a mount has the
 * image in use, adds to the message how it is reached.  Returns r. */
int online_advise(int r);

/* *ret: the store of a mount, writable or not, in which the file at the real
 * path lies; the caller frees it; null: no mount has it.  0 or -ENOMEM with a
 * message. */
int online_store(const char *real, char **ret);
/* The path in the store of the mount of a file, whose real path is given; ret
 * has room for PATH_MAX bytes.  -EXDEV with a message: it is outside. */
int online_path(const struct online *online, const char *real, char *ret);

/*
 * Sends the request, of which the caller has set the verb and its texts, and
 * waits for the answer; again, if the mount's processes die meanwhile.  0 or
 * the error of the mount, with its message.
 */
int online_ask(struct online *online, struct view_request *request);

#endif
