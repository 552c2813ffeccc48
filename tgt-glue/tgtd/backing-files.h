/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that processes have open, tgtd above all, read from /proc.
 *
 * When the mount goes away and comes back, the files that tgtd has open in the
 * old mount answer ENOTCONN for ever; tgtd does not report that.
 */
#ifndef TGT_GLUE_TGTD_BACKING_FILES_H
#define TGT_GLUE_TGTD_BACKING_FILES_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/tgtd/state.h"

/* A file that a process has open. */
struct open_file {
	pid_t pid;
	const char *path;
	const char *link; /* the descriptor in /proc */
	struct file_id id;
	bool writable;
};

struct open_files {
	struct arena arena;
	struct open_file *v;
	size_t n;
};

/* Identifies a file, as statx with these flags.  0, or -errno without a
 * message. */
int file_identify(int dir, const char *path, int flags, struct file_id *ret);

/*
 * Sets the id of all LUNs, and file and mount_state of the LUNs of all
 * targets of ours.  If tgtd's open files cannot be read, file stays
 * FILE_UNKNOWN, and -errno is returned, with a message.
 */
int backing_files_inspect(const struct fleet *fleet, struct tgtd_state *live);

/* The path of the target's LUN: tgtd's, else the one in fleet.conf, else
 * null. */
const char *backing_files_path(const struct fleet *fleet,
			       const struct tgtd_target *target,
			       const struct tgtd_lun *lun);

/* A process, other than the n given ones, that has the file at path open: its
 * name and id for a message, in arena; null if /proc shows none. */
const char *backing_files_user(struct arena *arena, const char *path,
			       const pid_t *except, size_t n);

/* The last parts of the paths of all views that other processes than the n
 * given ones have open, of any mount: where the view's is missing,
 * backing_files_user finds none. */
void backing_files_names(const pid_t *except, size_t n, struct arena *arena,
			 struct index *ret);

/* Adds the files that any tgtd of this host, other than the n given processes,
 * has open. */
void backing_files_of_other_tgtds(const pid_t *except, size_t n,
				  struct open_files *ret);

#endif
