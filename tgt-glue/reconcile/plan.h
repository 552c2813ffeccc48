/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The difference between the fleet and a running tgtd, and what is to be done
 * about it, target by target.  A target that is right has no work.
 */
#ifndef TGT_GLUE_RECONCILE_PLAN_H
#define TGT_GLUE_RECONCILE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "tgt-glue/reconcile/last-applied.h"
#include "tgt-glue/reconcile/image-reset.h"
#include "tgt-glue/reconcile/clients.h"
#include "tgt-glue/tgtd/state.h"

enum work_kind {
	WORK_ACCESS,   /* other addresses or names */
	WORK_ACCOUNTS, /* other users or secrets; addresses and names too */
	WORK_REMAKE,   /* delete and make again */
	WORK_NEW,
	WORK_REMOVE,
	WORK_NONE, /* it is right, and something else is in the way */
};

enum work_outcome {
	OUTCOME_DONE,      /* before execute_plan: it is to be done */
	OUTCOME_NOT_RESET, /* done, with the old image */
	OUTCOME_SKIPPED,   /* not done, or not completely: the disk is in use */
	OUTCOME_FAILED,
};

struct work {
	enum work_kind kind;
	const char *name;            /* the client's */
	const struct client *client; /* null for WORK_REMOVE */
	/* Of WORK_REMOVE: the client whose disk the target exports for writing,
	 * and which is made after it, or null. */
	const struct client *successor;
	struct tgtd_target *live; /* null for WORK_NEW */
	const char *why;          /* what is not as it should be */
	bool force;               /* end its sessions */
	bool reset;               /* with a fresh image */
	bool absent;              /* tgtd has no such target now */
	struct image_reset aside; /* what became of the old image */
	enum work_outcome outcome;
	const char *reason; /* of any outcome but OUTCOME_DONE */
};

/* A user whose secret tgtd is to be told, or who is to go. */
struct account_work {
	const char *user;
	const char *secret; /* null: only to go */
	bool known;         /* tgtd has the user now */
};

/*
 * A disk that is to be given its file again, also under a session: tgtd's own
 * is lost, or the disk is offline, and no answered write can be lost.
 */
struct reopen {
	const char *name; /* the client's */
	const struct tgtd_target *live;
	const char *path;
	const char *why;
	const char *failed;
};

struct plan {
	struct arena arena;
	struct work *works;
	size_t n;
	struct reopen *reopens;
	size_t n_reopens;
	struct account_work *accounts;
	size_t n_accounts;
};

/* What is asked for besides the fleet. */
struct plan_options {
	const char *force;    /* the client that is cut off where it is in the
				 way, or null */
	struct strings reset; /* clients that get a fresh image */
	bool only;            /* nothing is done but for those */
};

/* Of one shard.  skip tells for each client of the fleet why it is left alone,
 * or is null. */
void plan_make(const struct clients *clients, const struct shard *shard,
	       struct tgtd_state *live, const struct last_applied *last,
	       const struct plan_options *options,
	       const char *const *skip_reason, struct plan *ret);
/* What has to go from the shard, and no more, before it is made on another. */
void plan_migrations(const struct clients *clients, const struct shard *shard,
		     struct tgtd_state *live,
		     const struct plan_options *options, struct plan *ret);
void plan_fini(struct plan *plan);

/* Sets the outcome; a failure stays.  reason lives as long as the plan. */
void work_skip(struct work *work, const char *reason);
void work_fail(struct work *work, const char *reason);
/* Skipped or failed: no further step is done for it. */
bool work_is_stopped(const struct work *work);
/* One line a target, no secrets. */
void plan_print(const struct plan *plan, FILE *f);

/* What is not as it should be with the target, of pool; null: all is right.
 * applied null: only what tgtd itself tells. */
const char *plan_difference(struct arena *arena, const struct clients *clients,
			    const struct client *client,
			    const struct tgtd_target *live,
			    const struct last_applied *last,
			    enum work_kind *ret_kind);

/* Of that what concerns the disk, and tgtd tells itself. */
const char *plan_disk_difference(struct arena *arena,
				 const struct clients *clients,
				 const struct client *client,
				 const struct tgtd_target *live);

/* Is it the user whom the client logs in as? */
bool plan_wants_user(const struct client *client, const char *user);

/* Why a target is left because of its sessions, and what to type, of pool. */
const char *plan_logged_in(struct arena *arena, const struct work *work,
			   const struct tgtd_connection *list, size_t n);

#endif
