/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One round of bringing one shard's targets-file and tgtd to what the fleet is;
 * rounds.h has the round of all of them.
 */
#ifndef TGT_GLUE_ROUND_H
#define TGT_GLUE_ROUND_H

#include "base/error.h"
#include "tgt-glue/applied.h"
#include "tgt-glue/notes.h"
#include "tgt-glue/opened.h"
#include "tgt-glue/plan.h"

struct round {
	/* What is wanted; the caller's. */
	struct fleet *fleet;
	const struct shard *shard;
	struct notes *notes;
	bool dry; /* change nothing, say what would be done */
	struct wishes wishes;
	const char *const *skip; /* why a client has no image, or null */
	/* Why no target can be made that is not there; null: it can. */
	const char *hold;
	const struct round *siblings; /* of all shards, by their place */

	/* What became of it. */
	bool failed;
	bool left;    /* something was, and named */
	bool waiting; /* for something that may come by itself */

	/* Its own. */
	bool there; /* its tgtd answers ... */
	bool off;   /* ... or surely does not run: it exports nothing */
	/* ... or answers and is not in service: it is starting or stopping,
	 * and its targets are another program's to make and delete. */
	bool unready;
	struct error error; /* why it does not answer */
	struct tgtd tgtd;
	struct live live;
	struct applied applied;
	struct opened opened;
	struct plan plan;
};

/* Asks the shard's tgtd what it has. */
void round_read(struct round *round);
/* -errno, said already, where it did not come to its end. */
int round_run(struct round *round);
void round_fini(struct round *round);

/* Its steps, for moves.c: see round.c for their order. */
int round_forget_touched(struct round *round);
int round_write(const struct round *round, const char *text);
int round_verify(struct round *round);
void round_report(struct round *round);
/* Asks again what its tgtd has. */
int round_look(struct round *round);

#endif
