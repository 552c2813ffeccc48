/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tgtd was last told and does not tell again: secrets, the write cache,
 * what is negotiated.  It is kept beside the targets-file, as the blocks of
 * that file that the running tgtd has, under the name of that very run of tgtd:
 * another run knows nothing of them.
 *
 * A block is taken out of it before its target is touched, and put back when
 * the target is as the block says, so whatever is interrupted is done again.
 *
 * A tgtd that was started after the targets-file was written has what is in it:
 * tgt-admin read it then.
 */
#ifndef TGT_GLUE_RECONCILE_LAST_APPLIED_H
#define TGT_GLUE_RECONCILE_LAST_APPLIED_H

#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/config/shard.h"
#include "tgt-glue/tgtd/client.h"

struct last_applied_target {
	const char *iqn;
	const char *block; /* as targets_conf_block makes it */
};

struct last_applied {
	struct arena arena;
	struct last_applied_target *targets;
	size_t n;
	/* Users of blocks that were taken out: ours too, and to be removed
	 * where nobody wants them. */
	struct strings users;
	/* Targets that this file or the targets-file names, of any run of tgtd:
	 * tgt-glue made them. */
	struct strings names;
	const char *instance; /* of tgtd, when it was loaded */
	char *saved;          /* the text in the file now, or null; owned */
	bool parked; /* for want of room the file has another name now */
};

/* last_applied_fini in any case. */
int last_applied_load(const struct shard *shard, const struct tgtd *tgtd,
		      struct last_applied *ret);
/* For the instance of tgtd that last_applied_load was given. */
int last_applied_save(const struct shard *shard, struct last_applied *last);
void last_applied_fini(struct last_applied *last);

/* The block of that target, or null. */
const char *last_applied_block(const struct last_applied *last,
			       const char *iqn);
/* Takes a targets.conf of tgt-glue's own apart, or what last_applied_save
 * wrote. */
void last_applied_parse(struct last_applied *last, const char *text);

void last_applied_forget(struct last_applied *last, const char *iqn);
void last_applied_set(struct last_applied *last, const char *iqn,
		      const char *block);

/*
 * Forgets users of removed blocks that are not among tgtd's accounts: an
 * account of that name that appears later is the administrator's, and stays.
 */
void last_applied_keep_users(struct last_applied *last,
			     const struct strings *accounts);

/* Forgets names of targets that tgtd does not have. */
void last_applied_keep_names(struct last_applied *last,
			     const struct tgtd_state *live);
/* The target is removed: another one of that name is not ours. */
void last_applied_disown(struct last_applied *last, const char *iqn);

/* Is the target known to be as the block says, but for who is admitted? */
bool last_applied_same_disk(const struct last_applied *last, const char *iqn,
			    const char *block);
/* Is the user known to have this secret? */
bool last_applied_has_secret(const struct last_applied *last, const char *user,
			     const char *secret);
/* Does it know of any user? */
bool last_applied_has_users(const struct last_applied *last);
/* Was the user one of ours? */
bool last_applied_has_user(const struct last_applied *last, const char *user);

#endif
