/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mount: mounts and unmounts, makes sessions of libfuse, and holds what a
 * worker needs to serve the mount.  Serving it is the worker's task (worker.h).
 *
 * ORDER of mount_make:
 *
 *   1. lock the mount point, and check what is mounted there (mountpoint.h)
 *   2. mount with libfuse, which gives the kernel's descriptor
 *   3. read the kernel's first request, INIT, and store it for the workers;
 *      later requests wait until a worker reads them
 *
 * The functions return 0, or -errno with error_text().  They are for one
 * thread, of the supervisor; mount_session_on and mount_can_resend also for the
 * worker.
 */
#ifndef VHDFS_FUSE_MOUNT_H
#define VHDFS_FUSE_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/worker-deaths.h"
#include "fuse/fuse3.h"
#include "fuse/mount-state.h"
#include "fuse/options.h"

enum { INIT_MAX = 256, DESCRIBED_MAX = 3 * 4096 };

/* What a worker needs to serve the mount.  It is in the recovery memory
 * (recovery_extra), which supervisor and workers share. */
struct mount_link {
	int fd; /* the kernel's descriptor of the mount; -1: not mounted */
	/* The kernel's INIT request, which it sends once. */
	char init[INIT_MAX];
	size_t init_len;
	char state[STATE_SIZE]; /* the state identifier, see mount-state.h */
	/* Of this mount.  The supervisor adds to it while no worker runs. */
	struct worker_deaths deaths;
	/* The mount has replaced another, and recovered writes are not in the
	 * images yet. */
	bool replaced;
	/* For fdstore.h: store, mount point and options, and how many
	 * supervisors in a row have resumed the mount before a worker served.
	 */
	char described[DESCRIBED_MAX];
	unsigned attempts;
};

struct mount {
	struct options *options; /* with absolute paths; owned by the caller */
	struct mount_link *link; /* owned by the caller */
	/* Of libfuse, which mounted; null if another process or an earlier
	 * version mounted. */
	struct fuse_session *session;
};

/* Mounts, after it has unmounted an old mount, which no worker serves.  Also
 * fails as mountpoint_check does (mountpoint.h). */
int mount_make(struct mount *mount);
/* Unmounts, if it is still mounted. */
void mount_end(struct mount *mount);

/* Checks the mount point before anything is started: -ENOTDIR; -EINVAL inside
 * the store; or as mountpoint_check. */
int mount_check_point(const struct options *options);

/* Can this kernel send the unanswered requests again (Linux 6.9)? */
bool mount_can_resend(const struct mount *mount);

/* A session of libfuse that serves an existing mount, through a copy of its
 * descriptor fd.  fuse_session_destroy closes the copy. */
int mount_session_on(const struct mount *mount, int fd,
		     const struct fuse_lowlevel_ops *ops,
		     struct fuse_session **ret);
/* Fails if this libfuse cannot make such sessions: then it cannot serve. */
int mount_check_libfuse(void);

#endif
