/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pass of one shard: brings its targets-file and its tgtd to the state that
 * the fleet describes. reconcile.h has the pass of all shards.
 */
#ifndef TGT_GLUE_RECONCILE_SHARD_PASS_H
#define TGT_GLUE_RECONCILE_SHARD_PASS_H

#include "base/error.h"
#include "tgt-glue/reconcile/reconcile.h"
#include "tgt-glue/tgtd/opened.h"

struct shard_pass {
	/* Set and owned by the caller. */
	struct reconcile *all; /* the pass of all shards */
	struct fleet *fleet;
	struct clients *clients; /* of that fleet */
	const struct shard *shard;
	/* Why no new target may be created; null: it may. */
	const char *blocked_reason;

	/* Private. */
	bool answers; /* its tgtd answers ... */
	bool off;     /* ... or certainly does not run: it exports nothing */
	/* ... or answers and is not ready: it is being started or stopped, and
	 * another program creates or deletes its targets. */
	bool unready;
	struct error error; /* why it does not answer */
	struct tgtd tgtd;
	struct tgtd_state live;
	struct last_applied last;
	struct opened opened;
	struct plan plan;
};

/* Reads the state of the shard's tgtd. */
void shard_pass_read(struct shard_pass *pass);
/* Runs the pass.  Returns -errno, after reporting it, if the pass was not
 * completed. */
int shard_pass_run(struct shard_pass *pass);
void shard_pass_fini(struct shard_pass *pass);

/* Steps for migrate.c; shard-pass.c has their order. */
int shard_pass_forget_touched(struct shard_pass *pass);
/* Reads tgtd's state into *ret, and fails works that it does not confirm.  Call
 * tgtd_state_fini in any case. */
int shard_pass_verify(struct shard_pass *pass, struct tgtd_state *ret);

#endif
