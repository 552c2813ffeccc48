/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mount: the kernel's descriptor for it, and the first request that comes
 * from there.  Serving is another matter (worker.h).
 */
#ifndef VHDFS_FUSE_MOUNT_H
#define VHDFS_FUSE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "fuse/fuse3.h"
#include "fuse/mount-state.h"

enum { INIT_MAX = 256, DESCRIBED_MAX = 3 * 4096 };

/* To the kernel: what a process must have to serve the mount.  It lies in the
 * kept memory (recovery_extra). */
struct mount_link {
	int fd; /* -1: it is not mounted */
	/* The kernel's INIT request, which comes once. */
	char init[INIT_MAX];
	size_t init_len;
	char state[STATE_SIZE]; /* see mount-state.h */
	/* It was made anew, and what was kept is not in the images yet. */
	bool anew;
	/* See fdstore.h: what is mounted, and how often a supervisor went on
	 * with it before a worker of it served. */
	char described[DESCRIBED_MAX];
	unsigned attempts;
};

struct mount {
	char *root;    /* of the store, absolute; owned */
	char *point;   /* absolute; owned */
	char *options; /* for libfuse; owned */
	bool read_only;
	/* That mounted it; null when this process did not. */
	struct fuse_session *session;
	/* In memory that is shared with the processes that serve; the
	 * caller's. */
	struct mount_link *link;
};

/*
 * What is to be mounted, or is: the store whose absolute path is root, at
 * point; options as libfuse takes them, or null.  mount_end in the end.
 */
int mount_describe(const char *root, const char *point, const char *options,
		   bool read_only, struct mount_link *link, struct mount *ret);
/* Mounts it, unless mountpoint_check (mountpoint.h) says that it cannot be.
 * What is asked of the mount waits. */
int mount_make(struct mount *mount);
/* The old one is dead: unmounts it, and mounts the same anew. */
int mount_again(struct mount *mount);
/* Unmounts, where it still is mounted, and frees. */
void mount_end(struct mount *mount);

/* -ENOTDIR, -EINVAL with words for what is no place to mount the store at; or
 * what mountpoint_check returns. */
int mount_check_point(const char *root, const char *point, bool read_only);

/* Does this kernel send requests again that were taken and not answered? */
bool mount_can_resend(const struct mount *mount);

/* A session of libfuse for these options; null with words. */
struct fuse_session *mount_session(const struct mount *mount,
				   const struct fuse_lowlevel_ops *ops,
				   void *userdata);
/*
 * A session that answers on a copy of fd, the kernel's descriptor of a mount
 * that exists; fuse_session_destroy closes the copy.  -errno with words.
 */
int mount_session_on(const struct mount *mount, int fd,
		     const struct fuse_lowlevel_ops *ops, void *userdata,
		     struct fuse_session **ret);
/* Does this libfuse make such sessions?  -errno with words where not: no mount
 * can be served with it. */
int mount_check_libfuse(void);

#endif
