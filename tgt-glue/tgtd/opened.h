/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that tgtd has open, by the state of the mount in which it opened them,
 * and the clients that must be restarted.
 *
 * The mount's state identifier (user.vhdfs.state of its root, vhdfs(1)) stays
 * the same if no answered write was lost, even if the mount was made anew.  So
 * a file that tgtd lost may be reopened under a session only if the identifier
 * is still the one in which tgtd opened the file.  If it differs, or either is
 * unknown, answered writes may be lost: the session is ended, and the client
 * is noted as one to be restarted until it has logged in again.
 *
 * Several LUNs have the file of a disk that clients share, by one path.  When
 * another file takes that path, tgtd's open files do not tell which LUN has
 * which.  So the number of the file that each LUN got is kept, too.
 *
 * All this is kept beside the targets-file, TARGETS-FILE.opened, mode 0600:
 *
 *     # of tgtd INSTANCE
 *     opened IQN STATE         valid for that instance of tgtd alone; of LUN 1
 *     opened IQN/LUN STATE     of another LUN
 *     file IQN/LUN INODE       of a disk that clients share; the same
 *     restart IQN
 *
 * ORDER.  A client is noted before its session is ended; a state is removed
 * before a file is opened for a target without sessions, and set after tgtd
 * was seen to have the file open.
 */
#ifndef TGT_GLUE_TGTD_OPENED_H
#define TGT_GLUE_TGTD_OPENED_H

#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/config/shard.h"

struct opened {
	struct arena arena;
	struct pairs states;    /* of the mount, by IQN or IQN/LUN */
	struct pairs files;     /* inode numbers of shared disks, by the same */
	struct strings restart; /* IQNs */
	const char *instance;   /* of tgtd */
};

/* Reads the file; its states and numbers only if they are of that instance of
 * tgtd.  Call
 * opened_fini in any case. */
int opened_load(const struct shard *shard, const char *instance,
		struct opened *ret);
/*
 * On a full file system the old file stays, and 0 is returned: with older
 * states, sessions may be ended needlessly, and none is kept that must be
 * ended.
 */
int opened_save(const struct shard *shard, const struct opened *opened);
void opened_fini(struct opened *opened);

/* Sets lost of all LUNs, and file of LUNs that have another file than the one
 * at their path now; after backing_files_inspect. */
void opened_set_lost(const struct opened *opened, struct tgtd_state *live);

/* True if the target's sessions must be ended, so that the initiators learn of
 * lost writes. */
bool opened_ends_sessions(const struct tgtd_target *target);

/* Removes the states and numbers of the target's files. */
void opened_forget(struct opened *opened, const char *iqn);
/* Notes the client as one to be restarted. */
void opened_note_restart(struct opened *opened, const char *iqn);

/* True if the client must be restarted; target is its target, or null. */
bool opened_to_restart(const struct opened *opened, const char *iqn,
		       const struct tgtd_target *target);

/*
 * Takes over tgtd's present state: the mount's state identifier of each file
 * that tgtd has open, and which of the clients to be restarted have logged in
 * again.  iqns: of the clients that the shard serves.
 */
void opened_update(struct opened *opened, const struct strings *iqns,
		   struct tgtd_state *live);

#endif
