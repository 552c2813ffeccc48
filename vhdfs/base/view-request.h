/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * View requests: what vhdfs-img asks a mount to do with an image that the mount
 * has open.
 *
 * A request is an ioctl on a view that is open for writing: so the permissions
 * of the view decide.  The mount answers with the same structure.  The ioctl
 * itself fails only where the mount does not know it (ENOTTY), or ends.
 *
 * A request may be sent again, with the same token, where its answer is lost:
 * done before, it succeeds.
 */
#ifndef VHDFS_BASE_VIEW_REQUEST_H
#define VHDFS_BASE_VIEW_REQUEST_H

#include <limits.h>
#include <stdint.h>
#include <sys/ioctl.h>

enum { VIEW_REQUEST_VERSION = 1, VIEW_TOKEN_SIZE = 33 };

/* What the members below are for each of them. */
enum view_verb {
	/* path, name, note: keep the present state as a snapshot. */
	VIEW_SNAPSHOT = 1,
	/* path, parent, off, frees_space: one step of a rebase; answer: off,
	 * size, copied. */
	VIEW_REBASE_STEP,
	/* path, parent, unsafe: name the new parent, after the last step.
	 * -EAGAIN: the steps are not complete. */
	VIEW_SET_PARENT,
	/* path, name: remove the snapshot, which has no child any more. */
	VIEW_REMOVE_SNAPSHOT,
	/* path, name, note, off: revert to the snapshot; note is the file name
	 * for the old leaf: "." PATH's name "." STAMP, or empty: it is removed.
	 * off: inode number of the image's file before the first try. */
	VIEW_REVERT,
};

/* Texts end with a null byte; unused members are zeros. */
struct view_request {
	uint32_t version;     /* VIEW_REQUEST_VERSION */
	uint32_t verb;        /* enum view_verb */
	int32_t result;       /* answer: 0 or -errno */
	uint32_t unsafe;      /* 1: both parents show the same */
	uint32_t frees_space; /* 1: a file is removed afterwards */
	uint32_t reserved;
	/* Bytes of the disk: where the next step begins, its size; and what the
	 * step copied. */
	uint64_t off, size, copied;
	char token[VIEW_TOKEN_SIZE]; /* hexadecimal digits */
	char path[PATH_MAX]; /* of the image in the store, links followed */
	char name[NAME_MAX + 1];
	char parent[PATH_MAX]; /* its path in the store, links followed */
	char note[1024];
	char message[2048]; /* answer: why it failed */
};

#define VIEW_REQUEST _IOWR('v', 1, struct view_request)

#endif
