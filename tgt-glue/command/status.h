/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What status knows, and the ways of showing it. */
#ifndef TGT_GLUE_COMMAND_STATUS_H
#define TGT_GLUE_COMMAND_STATUS_H

#include "tgt-glue/reconcile/last-applied.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/tgtd/opened.h"
#include "tgt-glue/command/divergence.h"
#include "tgt-glue/tgtd/sessions.h"
#include "tgt-glue/command/free-space.h"
#include "tgt-glue/tgtd/traffic.h"

/* A shard and its tgtd. */
struct shard_status {
	const struct shard *shard;
	struct tgtd tgtd;
	struct tgtd_state live;
	struct last_applied last;
	struct traffics traffics;
	struct sessions known; /* since when */
	struct opened opened;
	const char *tgtd_error; /* null: it answered */
	bool off;               /* it surely does not run */
};

/* Somebody who is logged in. */
struct status_login {
	const struct tgtd_connection *who;
	int64_t since;                 /* Unix seconds; 0: not known */
	const struct traffic *traffic; /* null: not known */
};

/* One client, a target of ours that fleet.conf does not name any more, or a
 * target that is not ours and exports a client's disk. */
struct status_row {
	const char *name;
	const struct shard_status *seen;  /* where its target is, or is to be */
	const struct client *client;      /* null: not in fleet.conf */
	const struct tgtd_target *target; /* or null */
	const char *difference;           /* or null: it is right */
	bool restart; /* answered writes may be lost: see opened.h */
	const struct tgtd_backing
		*foreign; /* of a target that is not ours: what
			   it exports of the fleet, or null */
	enum client_image_state child;
	const char *child_why; /* of CHILD_OTHER */
	uint64_t disk_use;     /* of its image, bytes */
	struct divergence share;
	struct status_login *sessions;
	size_t n_sessions;
	size_t n_writers; /* sessions that can write; more than 1 do damage */
};

struct status {
	struct fleet fleet;
	bool mistaken; /* fleet.conf is, and the fleet is the last good one */
	struct shard_status *seen; /* by their place in fleet.shards */
	const char *tgtd_error;    /* of the first that did not; null: all
				      answered */
	struct free_space space;   /* of the store's file system */
	int64_t now;
	struct status_row
		*rows; /* clients in fleet.conf's order, then the others */
	size_t n;
};

/* "ok", "differs", "missing", "extra", "foreign", "unknown". */
const char *status_target_word(const struct status_row *row);
/* Is all of it as fleet.conf says? */
bool status_row_agrees(const struct status_row *row);
/* Has the shard, or had it, a part of the fleet?  One that is retired and whose
 * tgtd does not run has none. */
bool status_shard_counts(const struct shard_status *seen);
/* The shard's rows, and how many are logged in to them. */
size_t status_shard_clients(const struct status *s,
			    const struct shard_status *seen,
			    size_t *ret_sessions);
bool status_agrees(const struct status *s);
/* All sessions' together. */
struct traffic status_traffic(const struct status_row *row);
/* "12.3M"; at most 6 characters, in one of eight buffers used in turn. */
const char *status_size(uint64_t bytes);

/* To standard output. */
void status_print_table(const struct status *s);
/* Whole or not at all: 0, or -ENOMEM with words. */
int status_print_json(const struct status *s);
void status_print_prometheus(const struct status *s);

#endif
