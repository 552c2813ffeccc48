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
#ifndef TGT_GLUE_APPLIED_H
#define TGT_GLUE_APPLIED_H

#include "tgt-glue/live.h"
#include "tgt-glue/shard.h"
#include "tgt-glue/tgtd.h"

struct applied_target {
	const char *iqn;
	const char *block; /* as targets_block makes it */
};

struct applied {
	struct pool pool;
	struct applied_target *targets;
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

/* applied_fini in any case. */
int applied_load(const struct shard *shard, const struct tgtd *tgtd,
		 struct applied *ret);
int applied_save(const struct shard *shard, const struct tgtd *tgtd,
		 struct applied *applied);
void applied_fini(struct applied *applied);

/* The block of that target, or null. */
const char *applied_block(const struct applied *applied, const char *iqn);
/* Takes a targets.conf of tgt-glue's own apart, or what applied_save wrote. */
void applied_parse(struct applied *applied, const char *text);

void applied_forget(struct applied *applied, const char *iqn);
void applied_set(struct applied *applied, const char *iqn, const char *block);

/* Forgets users whom tgtd does not have any more. */
void applied_forget_users_but(struct applied *applied,
			      const struct strings *there);

/* Forgets names of targets that tgtd does not have. */
void applied_keep_names(struct applied *applied, const struct live *live);
/* The target is removed: another one of that name is not ours. */
void applied_disown(struct applied *applied, const char *iqn);

/* Is the target known to be as the block says, but for who is admitted? */
bool applied_same_disk(const struct applied *applied, const char *iqn,
		       const char *block);
/* Is the user known to have this secret? */
bool applied_has_secret(const struct applied *applied, const char *user,
			const char *secret);
/* Was the user one of ours? */
bool applied_has_user(const struct applied *applied, const char *user);

#endif
