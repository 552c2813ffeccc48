/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files that programs have open, tgtd above all.  When the mount of the
 * views goes and comes back, what tgtd has open of it answers ENOTCONN for
 * ever, and tgtd does not tell: /proc does.
 */
#ifndef TGT_GLUE_TGTD_BACKING_FILES_H
#define TGT_GLUE_TGTD_BACKING_FILES_H

#include "tgt-glue/config/fleet.h"
#include "tgt-glue/tgtd/state.h"

/*
 * Sets dev and ino of all stores, and lun.file and lun.mount_state of all
 * targets that are ours.  Where it cannot be told what tgtd has open lun.file
 * stays FILE_UNKNOWN: -errno with words.
 */
int backing_files_inspect(const struct fleet *fleet, struct tgtd_state *live);

/* The path of the target's disk: tgtd's word, else what its client's is to be;
 * null where there is neither. */
const char *backing_files_path(const struct fleet *fleet,
			       const struct tgtd_target *target);

/*
 * Who but these processes has the file at path open, in words; null: nobody
 * that /proc shows.  The words are of pool.
 */
const char *backing_files_user(struct arena *arena, const char *path,
			       const pid_t *but, size_t n);

/* A file that a process has open for writing. */
struct backing_files_open {
	pid_t pid;
	const char *path;
	uint64_t dev, ino;
};

/* What every tgtd of this host but these processes has open for writing, of
 * pool.  How many there are. */
size_t backing_files_of_other_tgtds(struct arena *arena, const pid_t *but,
				    size_t n, struct backing_files_open **ret);

#endif
