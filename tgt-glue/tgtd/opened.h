/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In which state of the mount tgtd opened each file, and which clients are to
 * be restarted.
 *
 * The mount's state identifier (user.vhdfs.state of its root, vhdfs(1)) stays
 * the same where every answered write is there though the mount was made anew.
 * So a file that tgtd lost may be given back under a session only when the
 * identifier is still the one that tgtd's file was opened in.  Where it is
 * another, or either is not known, answered writes may be lost: the session is
 * ended, and the client is noted as one to be restarted until it has logged in
 * anew.
 *
 * Both are kept beside the targets-file, TARGETS-FILE.opened, mode 0600:
 *
 *     # of tgtd INSTANCE
 *     opened IQN STATE         of that run of tgtd alone
 *     restart IQN
 *
 * ORDER.  A client is noted before its session is ended; a state is forgotten
 * before a file is opened for a target without sessions, and noted after tgtd
 * was seen to have the file.
 */
#ifndef TGT_GLUE_TGTD_OPENED_H
#define TGT_GLUE_TGTD_OPENED_H

#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/config/shard.h"

struct opened_file {
	const char *iqn;
	const char *state;
};

struct opened {
	struct arena arena;
	struct opened_file *files;
	size_t n;
	struct strings restart; /* IQNs */
	const char *instance;   /* of tgtd */
};

/* What was saved, where tgtd is that instance now. opened_fini in any case. */
int opened_load(const struct shard *shard, const char *instance,
		struct opened *ret);
/* Without room the file stays as it is.  What it says is older then, so that
 * sessions may be ended that need not be, and never the other way round. */
int opened_save(const struct shard *shard, const struct opened *opened);
void opened_fini(struct opened *opened);

/* Takes apart what opened_save wrote, with what tgtd's instance is now. */
void opened_parse(struct opened *opened, const char *text,
		  const char *instance);

/* Sets lun.lost of all targets, of which backing_files_inspect has told. */
void opened_judge(const struct opened *opened, struct tgtd_state *live);

/* True if the target's sessions must be ended, so that the initiators learn of
 * lost writes. */
bool opened_ends_sessions(const struct tgtd_target *target);

void opened_forget(struct opened *opened, const char *iqn);
void opened_note_restart(struct opened *opened, const char *iqn);

/* Is the client of that target, which may be null, to be restarted? */
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
