/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plan of a pass: the difference between the fleet and a running tgtd, and the
 * work that removes it, one piece for each target.  A target without a
 * difference has no work.
 */
#ifndef TGT_GLUE_RECONCILE_PLAN_H
#define TGT_GLUE_RECONCILE_PLAN_H

#include <limits.h>
#include <stdio.h>

#include "tgt-glue/base/messages.h"
#include "tgt-glue/reconcile/difference.h"

enum work_outcome {
	OUTCOME_PLANNED,   /* to be done: no result before execute_plan */
	OUTCOME_DONE,      /* set by execute_plan alone */
	OUTCOME_NOT_RESET, /* done, with the old image */
	OUTCOME_SKIPPED,   /* not done, or not completely: the disk is in use */
	OUTCOME_FAILED,
};

struct work {
	enum work_kind kind;
	const char *name;            /* the client's */
	const struct client *client; /* null for WORK_REMOVE */
	/* Of WORK_REMOVE: the client whose disk the target exports for
	 * writing, and whose own target is created afterwards, or null. */
	const struct client *successor;
	struct tgtd_target *live; /* null for WORK_NEW */
	const char *why;          /* the difference */
	bool force;               /* end its sessions */
	bool sessions_stay;       /* it is done under sessions too */
	bool reset;               /* with fresh images */
	bool absent;              /* tgtd has no such target now */
	/* Why its target, which stays, does not get the disks that it lacks, or
	 * null; and the outcome that follows. */
	const char *no_disks;
	enum work_outcome no_disks_outcome;
	enum work_outcome outcome;
	const char *reason; /* null if the outcome is PLANNED or DONE */
};

/* An account that is created, replaced or deleted. */
struct account_work {
	const char *user;
	const char *secret; /* null: delete only */
	bool known;         /* tgtd has the account now */
};

/*
 * A disk whose file tgtd must reopen, also under a session: tgtd's descriptor
 * is of a mount that is gone, or the disk is offline, and no answered write
 * can be lost.
 */
struct reopen {
	const struct tgtd_target *live;
	const struct tgtd_lun *lun; /* of that target */
	const char *title;          /* of the disk, in messages */
	const char *path;
	const char *why;
	const char *failed;
};

/* What the command asks for beside the fleet. */
struct plan_options {
	const char *force; /* the client whose sessions may be ended, or null */
	/* Clients of which the disk of the name reset_disk (null: the system
	 * disk) gets a fresh image, or another one (struct clients). */
	struct strings reset;
	const char *reset_disk;
	/* Disks that go over to another version of their master (follow.h). */
	const struct disk **follow;
	size_t n_follow;
	/* Clients of which the disks with `reset = boot' get a fresh image. */
	struct strings boot;
	bool only; /* do nothing for other clients */
};

struct plan {
	/* Set by the caller. */
	struct clients *clients;
	const struct shard *shard;
	const struct tgtd *tgtd;
	struct tgtd_state *live;
	const struct last_applied *last;
	const struct plan_options *options;
	struct messages *messages;

	struct arena arena;
	struct work *works;
	size_t n;
	struct reopen *reopens;
	size_t n_reopens;
	struct account_work *accounts;
	size_t n_accounts;
};

/* The plan of one shard.  Call plan_fini in any case. */
void plan_make(struct plan *plan);
/* The plan of the migrations away from the shard: only removals, before the
 * targets are created on other shards. */
void plan_migrations(struct plan *plan);
/* Frees the plan; what the caller set stays. */
void plan_fini(struct plan *plan);

/* Sets the outcome, skipped or failed, and its reason; a failure stays. */
void work_stop(struct plan *plan, struct work *work, enum work_outcome outcome,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Skipped or failed: no further step is done for it. */
bool work_is_stopped(const struct work *work);

/* A set of kinds. */
#define KIND(kind) (1u << (kind))
#define KINDS_ALL UINT_MAX
/* The next work after w (null: the first) that is of one of the kinds and not
 * stopped; null: there is none. */
struct work *work_next(const struct plan *plan, const struct work *w,
		       unsigned kinds);

/* One line for each target, without secrets. */
void plan_print(const struct plan *plan, FILE *f);

/* A copy of the target with LUNs of its own, which may be changed. */
struct tgtd_target plan_copy_target(struct arena *arena,
				    const struct tgtd_target *target);

/* True if the disk gets a fresh image. */
bool plan_resets(const struct plan_options *options, const struct disk *disk);
/* The same of a disk of the client. */
bool plan_resets_client(const struct plan_options *options,
			const struct client *client);
/* True if the disk goes over to another version. */
bool plan_follows(const struct plan_options *options, const struct disk *disk);
/* The disk does not go over. */
void plan_unfollow(struct plan_options *options, const struct disk *disk);
/* Why disks of the client get fresh images, in the plan's arena. */
const char *plan_reset_reason(struct plan *plan, const struct client *client);

/* True if the work gives its target, which stays, the disk, which it lacks. */
bool work_adds(const struct work *work, const struct disk *disk);
/* True if it gives it any disk. */
bool work_adds_any(const struct work *work);
/* A disk cannot be exported: stops the work.  A target that stays only does not
 * get the disks that it lacks: what else the work changes, such as access
 * rules, is done. */
void work_stop_disks(struct plan *plan, struct work *work,
		     enum work_outcome outcome, const char *why);

/* True if this is the client's user, or its mutual user. */
bool client_has_user(const struct client *client, const char *user);

/* Skips a target that has sessions; the reason has the command to type. */
void work_skip_logged_in(struct plan *plan, struct work *work);

#endif
