/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of `tgt-glue status': every client with its target, image and
 * sessions, read once from the tgtds and the store.  status-print.h shows it.
 *
 * Strings are of the fleet, of arena or of the shard's tgtd_state; status_fini
 * frees all of it.
 */
#ifndef TGT_GLUE_COMMAND_STATUS_H
#define TGT_GLUE_COMMAND_STATUS_H

#include "tgt-glue/reconcile/last-applied.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/mount-probe.h"
#include "tgt-glue/reconcile/view-errors.h"
#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/tgtd/opened.h"
#include "tgt-glue/command/divergence.h"
#include "tgt-glue/tgtd/sessions.h"
#include "tgt-glue/reconcile/orphan-images.h"
#include "tgt-glue/command/free-space.h"
#include "tgt-glue/command/noticed.h"
#include "tgt-glue/command/samples.h"
#include "tgt-glue/tgtd/traffic.h"
#include "base/worker-deaths.h"

/* A shard and its tgtd. */
struct shard_status {
	const struct shard *shard;
	struct tgtd tgtd;
	struct tgtd_state state;
	struct last_applied last;
	struct traffics traffics;
	struct sessions sessions; /* that `watch' has seen begin */
	struct opened opened;
	const char *tgtd_error; /* why it does not answer; null: it does */
	bool off;               /* it does not answer: it does not run */
	bool answers; /* though, after an error, not so that it can be used */
	bool denied;  /* it does not answer: this user has no permission */
	size_t n_clients;  /* and extra targets */
	size_t n_sessions; /* logged in to them */
};

/* A session that is logged in. */
struct status_session {
	const struct tgtd_connection *connection;
	int64_t since;                 /* Unix seconds; 0: unknown */
	const struct traffic *traffic; /* null: unknown */
};

/* A data disk of a client. */
struct status_disk {
	const struct disk *disk;
	bool exported; /* the client's target has it */
	enum client_image_state child;
	const char *child_why; /* of CHILD_OTHER */
	bool denied;           /* of CHILD_OTHER: it cannot be read */
	const char *version;   /* as of the system disk, below */
	bool behind;
	uint64_t disk_use;  /* of the client's own image, bytes */
	uint64_t quota;     /* of the same, bytes; 0: none */
	double growth;      /* of the same, bytes a day; NAN: unknown */
	uint64_t io_errors; /* failed reads, writes and flushes */
	struct divergence divergence;
};

/*
 * One row is a client; or an extra target, which tgt-glue made for a client
 * that is no longer in fleet.conf; or a foreign target, which tgt-glue did not
 * make and which exports a client's disk.
 */
struct status_row {
	const char *name;
	struct shard_status *shard;       /* of the target, or of its client */
	const struct client *client;      /* null: extra or foreign */
	const struct tgtd_target *target; /* null: missing */
	const char *difference;           /* from fleet.conf; null: none */
	bool restart; /* answered writes may be lost: see opened.h */
	/* Foreign: what the target exports.  Null for other rows. */
	const struct tgtd_lun *foreign;
	enum client_image_state child;
	const char *child_why; /* of CHILD_OTHER */
	bool child_denied;     /* of CHILD_OTHER: it cannot be read */
	/* This user has no permission to know its target or an image. */
	bool denied;
	const char *version; /* of the master, that the disk is on; null */
	bool behind;         /* fleet.conf wants another one */
	uint64_t disk_use;   /* of the image, bytes */
	double growth;       /* of the image, bytes a day; NAN: unknown */
	uint64_t quota;      /* of the image, bytes; 0: none */
	uint64_t io_errors;  /* failed reads, writes and flushes of the disk */
	struct divergence divergence;
	struct status_disk *disks; /* the data disks; those above are of the
				    * system disk */
	size_t n_disks;
	struct status_session *sessions;
	size_t n_sessions;
	size_t n_initiators;    /* with different names */
	struct traffic traffic; /* the sum over the sessions */
	size_t n_writers; /* sessions that can write; more than 1 is damage */
	const struct refusal *refusal; /* the last refused login, or null */
};

struct status {
	struct fleet fleet;
	struct arena arena;
	struct clients clients; /* of that fleet */
	/* fleet.conf has mistakes: fleet is the one that was applied last. */
	bool mistaken;
	/* This user has no permission to read all.  What it may not read is
	 * unknown: no error, and not in order. */
	bool denied;
	bool watch;                  /* `tgt-glue watch' runs for it */
	bool watch_unknown;          /* whether it does */
	struct shard_status *shards; /* in the order of fleet.shards */
	/* Of the first tgtd that does not answer; null: all answer. */
	const char *tgtd_error;
	/* Clients that are not admitted until they are reset. */
	struct strings due;
	bool orphans_unknown;
	struct orphans orphans;  /* unknown if mistaken: none */
	struct free_space space; /* of the store's file system */
	enum mount_state mount;
	const char *mount_problem; /* and what to type; null: none */
	/* Why the answer of a tgtd that this user may ask cannot be used, and
	 * what to type; null: none. */
	const char *tgtd_problem;
	bool reserve_known; /* of the mount: */
	uint64_t reserve;   /* what it keeps free, bytes */
	struct view_errors errors;
	bool deaths_known; /* of the mount's workers: */
	struct worker_deaths deaths;
	struct noticed noticed; /* by watch */
	int64_t now;            /* Unix seconds */
	struct samples samples; /* of the last two days */
	double days_until_full; /* at their pace; NAN: unknown, or never */
	/* The clients in the order of fleet.conf, then the other targets. */
	struct status_row *rows;
	size_t n;
};

/* Fills the model of s->fleet.  A tgtd or a mount that does not answer is part
 * of the model and no failure.  probe: the caller's, for all readings.  Call
 * status_fini in every case. */
void status_read(struct status *s, struct mount_probe *probe);
/* Frees all of it, s->fleet too. */
void status_fini(struct status *s);

/* "ok", "differs", "missing", "extra", "foreign" or "unknown". */
const char *status_target_word(const struct status_row *row);
/* Whether an image that takes so much takes more than nine tenths of its quota
 * (0: none). */
bool status_quota_is_short(uint64_t disk_use, uint64_t quota);
/* "NAME from ADDRESS" of each session, in s->arena. */
const char *status_initiators(struct status *s, const struct status_row *row);
/* Whether a disk of the client is on another version than fleet.conf wants. */
bool status_row_is_behind(const struct status_row *row);
/* Whether target and image are as fleet.conf says. */
bool status_row_agrees(const struct status_row *row);
/* Whether all rows, shards and fleet.conf itself are in order. */
bool status_agrees(const struct status *s);
/* False: this user has no permission to know whether every tgtd answers, or
 * whether all is in order. */
bool status_tgtd_is_known(const struct status *s);
bool status_agrees_is_known(const struct status *s);
/* Whether the shard has clients: not where it is retired and its tgtd does not
 * run. */
bool status_shard_is_used(const struct shard_status *shard);
/* As tgtd_problem, of one shard. */
const char *status_shard_problem(const struct shard_status *shard);

#endif
