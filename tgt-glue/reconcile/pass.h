/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data of a pass: of all shards (reconcile.h has its functions) and of one
 * shard (shard-pass.h).
 */
#ifndef TGT_GLUE_RECONCILE_PASS_H
#define TGT_GLUE_RECONCILE_PASS_H

#include "base/error.h"
#include "tgt-glue/reconcile/plan.h"
#include "tgt-glue/tgtd/opened.h"

struct reconcile {
	/* Set and owned by the caller. */
	const struct fleet *fleet;
	struct messages *messages;
	bool dry; /* only print the plan */
	struct plan_options options;
	bool remove; /* remove targets, however many */
	/* IQNs of clients that were logged in a moment ago: they do not go over
	 * to another version in this pass. */
	struct strings recent;

	/* The result. */
	bool failed;
	bool skipped; /* something was skipped, and reported */
	bool waiting; /* for something that may change without a command */
	struct pairs not_reset; /* clients, and why; each was reported */
	bool refused; /* it would remove many targets, so nothing was done */
	/* IQNs of clients that go over to another version later, because they
	 * are logged in. */
	struct strings followers;
	/* Others go over in another pass, which is to follow at once. */
	bool more;

	struct arena arena; /* of the pass */
	/* Clients that are not admitted until they are reset
	 * (boot-resets.h). */
	struct strings due;
	struct strings was_due; /* the same, before the pass */
	/* IQNs and names of new clients that take up images (new-clients.h). */
	struct pairs new_clients;
	struct clients clients;
	/* The pass of each shard of the fleet. */
	struct shard_pass *v;
	size_t n;
};

struct shard_pass {
	/* Set and owned by the caller. */
	struct reconcile *all; /* the pass of all shards */
	const struct fleet *fleet;
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

#endif
