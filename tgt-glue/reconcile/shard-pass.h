/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One round of bringing one shard's targets-file and tgtd to what the fleet is;
 * reconcile.h has the round of all of them.
 */
#ifndef TGT_GLUE_RECONCILE_SHARD_PASS_H
#define TGT_GLUE_RECONCILE_SHARD_PASS_H

#include "base/error.h"
#include "tgt-glue/reconcile/last-applied.h"
#include "tgt-glue/base/messages.h"
#include "tgt-glue/tgtd/opened.h"
#include "tgt-glue/reconcile/plan.h"

struct shard_pass {
	/* What is wanted; the caller's. */
	struct fleet *fleet;
	struct clients *clients; /* of that fleet */
	const struct shard *shard;
	struct messages *messages;
	bool dry; /* change nothing, say what would be done */
	struct plan_options options;
	const char *const *skip_reason; /* why a client has no image, or null */
	/* Why no target can be made that is not there; null: it can. */
	const char *blocked_reason;
	const struct shard_pass *siblings; /* of all shards, by their place */

	/* What became of it. */
	bool failed;
	bool skipped; /* something was, and named */
	bool waiting; /* for something that may come by itself */

	/* Its own. */
	bool there; /* its tgtd answers ... */
	bool off;   /* ... or surely does not run: it exports nothing */
	/* ... or answers and is not in service: it is starting or stopping,
	 * and its targets are another program's to make and delete. */
	bool unready;
	struct error error; /* why it does not answer */
	struct tgtd tgtd;
	struct tgtd_state live;
	struct last_applied last;
	struct opened opened;
	struct plan plan;
};

/* Asks the shard's tgtd what it has. */
void shard_pass_read(struct shard_pass *pass);
/* -errno, said already, where it did not come to its end. */
int shard_pass_run(struct shard_pass *pass);
void shard_pass_fini(struct shard_pass *pass);

/* Its steps, for migrate.c: see shard-pass.c for their order. */
int shard_pass_forget_touched(struct shard_pass *pass);
int shard_pass_write(const struct shard_pass *pass, const char *text);
/* *ret is tgtd's state now; tgtd_state_fini in any case. */
int shard_pass_verify(struct shard_pass *pass, struct tgtd_state *ret);

#endif
