/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Record of what tgtd was last told and does not report: secrets, the write
 * cache, negotiated parameters.
 *
 * It is kept beside the targets-file, as the blocks of that file that the
 * running tgtd has, with the instance of tgtd: another instance has none of
 * them.
 *
 * A block is removed from the record before its target is touched, and added
 * when the target is as the block says: whatever is interrupted is done again.
 *
 * A tgtd that was started after the targets-file was written has that file's
 * blocks: tgt-admin read them.
 */
#ifndef TGT_GLUE_RECONCILE_LAST_APPLIED_H
#define TGT_GLUE_RECONCILE_LAST_APPLIED_H

#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/config/shard.h"

struct last_applied {
	struct arena arena;
	struct pairs blocks; /* by IQN, as targets_conf_block makes them */
	/* Users of blocks that were removed: their accounts are ours, and are
	 * deleted if no client has such a user. */
	struct strings users;
	/* Targets that the record or the targets-file names, of any instance
	 * of tgtd: tgt-glue created them. */
	struct strings names;
	const char *instance; /* of tgtd, at last_applied_load */
	char *saved;          /* the file's text, or null; owned */
	bool parked; /* the file system was full, and the file is renamed */
};

/* Reads the record.  Call last_applied_fini in any case. */
int last_applied_load(const struct shard *shard, const struct tgtd *tgtd,
		      struct last_applied *ret);
/* Writes the record of the instance that was loaded. */
int last_applied_save(const struct shard *shard, struct last_applied *last);
void last_applied_fini(struct last_applied *last);

/* Adds the blocks and users in text, a targets-file of tgt-glue or the record;
 * the last block of a target is kept. */
void last_applied_parse(struct last_applied *last, const char *text);

/* Removes the target's block; its users stay ours. */
void last_applied_forget(struct last_applied *last, const char *iqn);
/* The same for its users and secrets alone. */
void last_applied_forget_users(struct last_applied *last, const char *iqn);
/* Records that the target is as the block says. */
void last_applied_set(struct last_applied *last, const char *iqn,
		      const char *block);

/*
 * Forgets names of targets that tgtd does not have: a later target of that name
 * is not ours.  Forgets users of removed blocks that are not among tgtd's
 * accounts: an account of that name that appears later is the administrator's,
 * and stays.
 */
void last_applied_keep(struct last_applied *last,
		       const struct tgtd_state *state);

/* True if the target is recorded with these parameters
 * (targets_conf_parameters). */
bool last_applied_has_parameters(const struct last_applied *last,
				 const char *iqn, const char *parameters);
/* True if the target is recorded with this disk (targets_conf_store). */
bool last_applied_has_store(const struct last_applied *last, const char *iqn,
			    const char *store);
/* True if the user is recorded with this secret, or null. */
bool last_applied_has_secret(const struct last_applied *last, const char *user,
			     const char *secret);
/* True if a user is recorded. */
bool last_applied_has_users(const struct last_applied *last);
/* True if the user's account is ours. */
bool last_applied_has_user(const struct last_applied *last, const char *user);

#endif
