/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boot resets that are due: clients with `reset = boot' whose disk is still
 * that of the last session, because a reset of it runs or has failed.
 *
 * INVARIANT: such a client is admitted by no target of ours, and is in no
 * targets-file, until a reset of it has succeeded: the next person must not get
 * the last one's session.  Each pass of all clients tries again.
 *
 * So is a client whose target is to be made anew, that no targets-file names,
 * and whose disk was used: it was removed from fleet.conf, and the end of its
 * session was noted under no client.  After a start of tgtd, the targets-file
 * names the client, and its session may go on.
 *
 * ORDER.  The record, TARGETS-FILE.resets beside the file of shard 0, names the
 * client before its target is touched (shard-pass.c, between 1 and 2), and no
 * longer after its image is fresh and its target is created.  A client that is
 * logged in again keeps its disk and is not due.
 */
#ifndef TGT_GLUE_RECONCILE_BOOT_RESETS_H
#define TGT_GLUE_RECONCILE_BOOT_RESETS_H

#include "tgt-glue/reconcile/pass.h"

/* The names of the record, in arena, but for clients that have `reset = boot'
 * no more.  A client that is in fleet.conf no more stays: it may return,
 * perhaps under another name.  0, or -errno with a message. */
int boot_resets_load(const struct fleet *fleet, struct arena *arena,
		     struct strings *ret);

/* Loads the record into the pass, adds the clients whose target is new, and
 * adds all to those that a pass of all clients resets. */
int boot_resets_add(struct reconcile *reconcile);

/* True if a disk with `reset = boot' is reset: if that fails, the client is
 * left without a target. */
bool boot_resets_concern(const struct clients *clients,
			 const struct plan_options *options,
			 const struct client *client);

/* Records the clients that the shard's plan resets, and takes them out of the
 * targets-file.  0, or -errno with a message. */
int boot_resets_begin(struct shard_pass *pass);
/* After the plan was executed: puts the clients that are not due any more into
 * the targets-file; boot_resets_save removes them from the record. */
void boot_resets_end(struct shard_pass *pass);
/* The same of one client, without tgtd. */
void boot_resets_set(struct shard_pass *pass, const struct client *client,
		     bool due);
/* Writes the record.  0, or -errno with a message. */
int boot_resets_save(const struct reconcile *reconcile);

#endif
